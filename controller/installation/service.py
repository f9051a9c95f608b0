"""Installs of the controller, one at a time, each in its own thread.

`dhcp_installer` performs the installs. This module starts and stops them, reserves the stacks, and
records the results in the audit log.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from controller.audit import Audit, AuditEvent
from controller.claims import Claim, StackClaims
from controller.errors import InstallRunningError, NoInstallRunningError, UnknownInstallError
from controller.state.model import RaspOperation
from dhcp_installer.install import assignment, installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport
from rack.database import MAX_ROW_ID
from rack.errors import DatabaseError, PiRackError
from rack.inventory import Rasp
from rack.layout import Rack, Slot

_STOP_SECONDS = 25.0  # systemd kills the controller after 30 s
_SWAP_SECONDS = 30.0  # clients of the API wait for 60 s

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Requester:
    """Actor of a request, and the address of its client."""

    actor: str
    client_address: str = ""


class InstallService:
    """Service that starts and stops installs. Thread-safe.

    The constructor marks installs of an earlier controller as interrupted. No outlet is switched.

    Args:
        dependencies: Components that an install reads and changes.
        claims: Claims of stacks, shared with orders.
        audit: Audit log.
        swap_seconds: Seconds that `swap` waits for its end.

    Raises:
        DatabaseError: If the journal cannot be used.
    """

    def __init__(
        self,
        dependencies: InstallDependencies,
        claims: StackClaims,
        audit: Audit,
        *,
        swap_seconds: float = _SWAP_SECONDS,
    ) -> None:
        self._dependencies = dependencies
        self._swap_seconds = swap_seconds
        self._claims = claims
        self._audit = audit
        self._lock = threading.Lock()
        self._stop_requested = threading.Event()
        self._thread: threading.Thread | None = None
        self._running_id: int | None = None
        self._progress: ProgressReport | None = None
        for record in dependencies.journal.mark_interrupted():
            title = record.title
            _log.warning("%s was interrupted, the outlets are unchanged", title)
            self._record_audit_event(
                Requester(record.actor), str(record.kind), title, "unknown", "interrupted"
            )

    @property
    def rack(self) -> Rack:
        """Layout of the rack."""
        return self._dependencies.rack

    @property
    def is_running(self) -> bool:
        """Whether an install, a replacement or a swap is running."""
        return self._running_id is not None

    def preview(self) -> str:
        """Return the diff of dhcpd.conf for the current inventory.

        Raises:
            PiRackError: If an install would fail at its start.
        """
        return installer.preview(self._dependencies)

    def start(self, strategy: str, requester: Requester) -> InstallRecord:
        """Start an install.

        Raises:
            InstallRunningError: If another install is running.
            StackBusyError: If an order uses a stack.
            StackReservedError: If a stack is reserved for another owner.
            DatabaseError: If the journal cannot be written.
        """
        request = InstallRequest(InstallKind.INSTALL, requester.actor, strategy)
        record, _ = self._start_claimed(request, requester, self._all_stacks, "all stacks")
        return record

    def replace(self, slot: Slot, strategy: str, requester: Requester) -> InstallRecord:
        """Start the replacement of the board in a slot. Raises the errors of `start`."""
        request = InstallRequest(
            InstallKind.REPLACE, requester.actor, strategy, slot_to_replace=slot
        )
        record, _ = self._start_claimed(request, requester, [slot.stack], slot.name)
        return record

    def swap(self, one: Slot, other: Slot, requester: Requester) -> InstallRecord:
        """Exchange the rasps of two slots of a stack.

        Return the final record, or that of the running swap if the DHCP server restarts slowly.

        Raises:
            AssignmentError: If the slots are in different stacks, or both are empty.
            InstallRunningError, StackBusyError, DatabaseError: As `start`.
        """
        assignment.swap(self._dependencies.inventory.rasps().values(), one, other)  # validates
        request = InstallRequest(InstallKind.SWAP, requester.actor, "", slots_to_swap=(one, other))
        record, thread = self._start_claimed(
            request, requester, [one.stack], f"{one.name} {other.name}"
        )
        thread.join(self._swap_seconds)
        return self.get(record.id)

    def stop(self, requester: Requester) -> InstallRecord:
        """Stop the running install, or recover an interrupted install. Return immediately.

        Raises:
            NoInstallRunningError: If no install is running or interrupted.
            StackBusyError, DatabaseError: As `start`.
        """
        with self._lock:
            record = self.latest()
            if record is not None and record.id == self._running_id:
                self._stop_requested.set()
                self._dependencies.journal.set_state(record.id, InstallState.STOPPING)
                self._record_audit_event(requester, "stop", record.title, "ok", "stop requested")
                return self._with_live_progress(record)
            interrupted = self._dependencies.journal.list_interrupted()
            if not interrupted:
                raise NoInstallRunningError("no install is running or interrupted")
            record = interrupted[0]
            claim = self._claim(self._all_stacks, f"stopping {record.title}", requester.actor)
            self._start_thread(record.id, claim, partial(self._recover, record, requester))
            self._stop_requested.set()
            return self._with_live_progress(record)

    def latest(self) -> InstallRecord | None:
        """Return the running install, the last install, or None if there was no install.

        Raises:
            DatabaseError: If the journal cannot be read.
        """
        return next(self.iterate_recent(), None)

    def get(self, number: int) -> InstallRecord:
        """Return the install with this id.

        Raises:
            UnknownInstallError: If the install does not exist.
            DatabaseError: If the journal cannot be read.
        """
        record = next(self.iterate_recent(min(number + 1, MAX_ROW_ID)), None)
        if record is None or record.id != number:
            raise UnknownInstallError(
                f"no install {number}: the list of installs shows all installs"
            )
        return record

    def outlets_to_restore(self, record: InstallRecord) -> tuple[str, ...]:
        """Return the names of the outlets that an interrupted install left with another power."""
        if record.state is not InstallState.INTERRUPTED or record.finished_at is not None:
            return ()
        return tuple(outlet.name for outlet in self._dependencies.outlets.to_restore)

    def inventory_at(self, time: float) -> Mapping[tuple[int, int], Rasp] | None:
        """Return the inventory at a time. See `Journal.inventory_at`.

        Raises:
            DatabaseError: If the journal or the inventory cannot be read.
        """
        dependencies = self._dependencies
        return dependencies.journal.inventory_at(time, dependencies.inventory.rasps())

    def iterate_recent(self, before: int | None = None) -> Iterator[InstallRecord]:
        """Yield the installs, newest first. Each record is read when it is needed, for it is large.

        Raises:
            DatabaseError: If the journal cannot be read.
        """
        while records := self._dependencies.journal.list_recent(1, before):
            yield self._with_live_progress(records[0])
            before = records[0].id

    def list_between(self, start: float, end: float, count: int) -> list[InstallRecord]:
        """Return the newest installs of a time. See `Journal.list_between`."""
        records = self._dependencies.journal.list_between(start, end, count)
        return [self._with_live_progress(record) for record in records]

    def close(self) -> None:
        """Stop the running install, and wait until its changes are undone."""
        self._stop_requested.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    @property
    def _all_stacks(self) -> list[int]:
        return [stack.number for stack in self._dependencies.rack.stacks]

    def _claim(self, stacks: Sequence[int], reserved_by: str, owner: str) -> Claim:
        """Claim stacks. An install may switch all of their rasps at any time."""
        rasps = [slot.id for number in stacks for slot in self.rack.stack(number).slots]
        operations = dict.fromkeys(rasps, RaspOperation.INSTALLING)
        return self._claims.claim(stacks, reserved_by, owner, lambda: operations)

    def _start_claimed(
        self, request: InstallRequest, requester: Requester, stacks: Sequence[int], targets: str
    ) -> tuple[InstallRecord, threading.Thread]:
        """Reserve stacks, and run the install in a thread."""
        with self._lock:
            if self._running_id is not None:
                raise InstallRunningError(
                    f"install {self._running_id} is running: wait until it finishes, or stop it"
                )
            if self._dependencies.journal.list_interrupted():
                stacks = self._all_stacks  # recovery may switch any stack
            title = f"{request.kind} of {request.actor}"
            claim = self._claim(stacks, title, request.actor)
            try:
                install_id = installer.create(self._dependencies, request)
                record = self._dependencies.journal.get(install_id)
            except DatabaseError:
                claim.release()
                raise
            work = partial(self._run_install, request, install_id, requester, targets)
            thread = self._start_thread(install_id, claim, work)
            return self._with_live_progress(record), thread

    def _start_thread(
        self, install_id: int, claim: Claim, work: Callable[[], None]
    ) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - the next install must be able to start
                _log.exception("install %d failed", install_id)
            finally:
                claim.release()
                self._running_id = None

        self._progress = None
        self._stop_requested.clear()
        self._running_id = install_id
        self._thread = threading.Thread(target=run, name=f"install {install_id}")
        self._thread.start()
        return self._thread

    def _run_install(
        self, request: InstallRequest, install_id: int, requester: Requester, targets: str
    ) -> None:
        try:
            record = installer.run(
                self._dependencies, request, install_id, self._on_progress, self._stop_requested
            )
        except DatabaseError as error:
            _log.error(
                "install %d finished, but its result could not be saved: %s", install_id, error
            )
            return
        result = "ok" if record.state is InstallState.DONE and not record.error else "failed"
        detail = f"{record.title}, {record.outcome}{record.error and ': ' + record.error}"
        self._record_audit_event(
            requester, f"{request.kind} {request.strategy}".rstrip(), targets, result, detail
        )

    def _recover(self, record: InstallRecord, requester: Requester) -> None:
        result, detail = "ok", "recovered"
        try:
            recovered = installer.recover(self._dependencies, record.id, self._on_progress)
            if recovered.state is InstallState.FAILED:
                result, detail = "failed", recovered.error
        except PiRackError as error:
            result, detail = "failed", str(error)
        self._record_audit_event(requester, "stop", record.title, result, detail)

    def _on_progress(self, report: ProgressReport) -> None:
        self._progress = report

    def _with_live_progress(self, record: InstallRecord) -> InstallRecord:
        """Return a record with the current state and the latest progress report."""
        if record.id == self._running_id:  # also if it has finished but is still claimed
            state = InstallState.STOPPING if self._stop_requested.is_set() else InstallState.RUNNING
            return replace(
                record, state=state, finished_at=None, report=self._progress or record.report
            )
        if record.is_running:
            # The install finished, but could not save its result.
            return replace(record, state=InstallState.INTERRUPTED)
        return record

    def _record_audit_event(
        self, requester: Requester, action: str, targets: str, result: str, detail: str
    ) -> None:
        try:
            self._audit.record(
                AuditEvent(
                    requester.actor, requester.client_address, action, targets, result, detail
                )
            )
        except DatabaseError as error:
            _log.error("the audit log cannot be written: %s", error)
