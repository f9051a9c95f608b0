"""The controller's installs: begun, watched, stopped, one at a time, in a thread of their own.

What an install does to a rack is `dhcp_installer`'s to say; here is who may, when, and who knows.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from controller.audit import Audit, AuditEvent
from controller.errors import InstallRunningError, NoInstallRunningError
from controller.reservations import Claim, Reservations
from dhcp_installer.errors import InstallError
from dhcp_installer.install import assignment, installer
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.installer import InstallRequest
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressReport
from rack.errors import DatabaseError, RackError
from rack.layout import Rack, Slot

_STOP_SECONDS = 25.0  # systemd gives the controller 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for something, and the address that it comes from."""

    actor: str
    client_address: str = ""


class InstallService:
    """Installs a rack. Safe to be called from several threads.

    Making it marks as interrupted what an earlier controller left unfinished: nothing moves by it.

    Args:
        dependencies: the rack and its surroundings.
        reservations: who has which stack; an install has all of them.
        audit: keeps who asked for what.

    Raises:
        DatabaseError: the journal cannot be used.
    """

    def __init__(
        self, dependencies: InstallDependencies, reservations: Reservations, audit: Audit
    ) -> None:
        self._dependencies = dependencies
        self._reservations = reservations
        self._audit = audit
        self._lock = threading.Lock()
        self._stop_requested = threading.Event()
        self._thread: threading.Thread | None = None
        self._running_id: int | None = None
        self._progress: ProgressReport | None = None
        for entry in dependencies.journal.mark_interrupted():
            title = f"{entry.kind} {entry.id}"
            _log.warning("%s was interrupted; the relays are as it left them", title)
            self._record_audit_event(
                Requester(entry.actor), str(entry.kind), title, "unknown", "interrupted"
            )

    @property
    def rack(self) -> Rack:
        """The layout of the rack that it installs."""
        return self._dependencies.rack

    @property
    def is_running(self) -> bool:
        """Whether an install, a replacement or a swap runs."""
        return self._running_id is not None

    def preview(self) -> str:
        """Return the diff of dhcpd.conf that the rasps known now give; nothing is changed.

        Raises:
            InstallError, RackError: an install would be refused.
        """
        return installer.preview(self._dependencies)

    def start(self, strategy: str, requester: Requester) -> InstallRecord:
        """Begin an install.

        Raises:
            InstallRuns: another one runs.
            StackBusy: an order has one of the stacks.
            DatabaseError: the journal cannot be written.
        """
        task = InstallRequest(InstallKind.INSTALL, requester.actor, strategy)
        entry, _ = self._start_claimed(task, requester, self._all_stacks, "all stacks")
        return entry

    def replace(self, slot: Slot, strategy: str, requester: Requester) -> InstallRecord:
        """Begin to wait for the new board of a slot. Raises what `start` raises."""
        task = InstallRequest(InstallKind.REPLACE, requester.actor, strategy, slot_to_replace=slot)
        entry, _ = self._start_claimed(task, requester, [slot.stack], slot.name)
        return entry

    def swap(self, one: Slot, other: Slot, requester: Requester) -> InstallRecord:
        """Exchange the rasps of two slots of a stack, and return how it ended.

        Raises:
            AssignmentError: the slots are not in one stack, or both are empty.
            InstallRuns, StackBusy, DatabaseError: as `start` does.
        """
        rasps = self._dependencies.inventory.rasps().values()
        places = [(slot.stack, slot.number) for slot in (one, other)]
        assignment.swap(self._dependencies.rack, rasps, *places)  # refuses what cannot be
        task = InstallRequest(InstallKind.SWAP, requester.actor, "", slots_to_swap=(one, other))
        entry, thread = self._start_claimed(
            task, requester, [one.stack], f"{one.name} {other.name}"
        )
        thread.join()
        return self._dependencies.journal.get(entry.id)

    def stop(self, requester: Requester) -> InstallRecord:
        """Have the running one stopped, or what an interrupted one has left put in order.

        Raises:
            NothingToStop: there is neither.
            StackBusy, DatabaseError: as `start` does.
        """
        with self._lock:
            entry = self.latest()
            if entry is not None and entry.id == self._running_id:
                self._stop_requested.set()
                self._dependencies.journal.set_state(entry.id, InstallState.STOPPING)
                self._record_audit_event(
                    requester, "stop", f"{entry.kind} {entry.id}", "ok", "it is being stopped"
                )
                return self._with_live_progress(entry)
            unsettled = self._dependencies.journal.list_interrupted()
            if not unsettled:
                raise NoInstallRunningError(
                    "no install runs, and none that was interrupted left traces"
                )
            entry = unsettled[0]
            claim = self._reservations.claim(self._all_stacks, f"stopping {entry.kind} {entry.id}")
            self._start_thread(entry.id, claim, partial(self._recover, entry, requester))
            self._stop_requested.set()
            return self._with_live_progress(entry)

    def latest(self) -> InstallRecord | None:
        """Return the running one, or the last one; None where there never was any.

        Raises:
            DatabaseError: the journal cannot be read.
        """
        newest = self._dependencies.journal.list_recent(1)
        return self._with_live_progress(newest[0]) if newest else None

    def list_recent(self, limit: int, before: int | None = None) -> Sequence[InstallRecord]:
        """Return the newest ones, the newest first; raises what `latest` raises."""
        return [
            self._with_live_progress(each)
            for each in self._dependencies.journal.list_recent(limit, before)
        ]

    def close(self) -> None:
        """Stop what runs, and wait for it: power and configuration are then as they were."""
        self._stop_requested.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    @property
    def _all_stacks(self) -> list[int]:
        return [stack.number for stack in self._dependencies.rack.stacks]

    def _start_claimed(
        self, request: InstallRequest, requester: Requester, stacks: Sequence[int], targets: str
    ) -> tuple[InstallRecord, threading.Thread]:
        with self._lock:
            if self._running_id is not None:
                raise InstallRunningError(
                    f"install {self._running_id} runs: wait until it is over, or stop it first"
                )
            if (
                self._dependencies.journal.list_interrupted()
            ):  # it may have to give power back anywhere
                stacks = self._all_stacks
            claim = self._reservations.claim(stacks, f"{request.kind} of {request.actor}")
            try:
                number = installer.create(self._dependencies, request)
                entry = self._dependencies.journal.get(number)
            except DatabaseError:
                claim.release()
                raise
            work = partial(self._run_install, request, number, requester, targets)
            thread = self._start_thread(number, claim, work)
            return self._with_live_progress(entry), thread

    def _start_thread(
        self, number: int, claim: Claim, work: Callable[[], None]
    ) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - whatever it was: another one may begin
                _log.exception("install %d failed", number)
            finally:
                claim.release()
                self._running_id = None

        self._progress = None
        self._stop_requested.clear()
        self._running_id = number
        self._thread = threading.Thread(target=run, name=f"install {number}")
        self._thread.start()
        return self._thread

    def _run_install(
        self, request: InstallRequest, number: int, requester: Requester, targets: str
    ) -> None:
        try:
            entry = installer.run(
                self._dependencies, request, number, self._on_progress, self._stop_requested
            )
        except DatabaseError as error:
            _log.error("install %d ended, and nobody could write down how: %s", number, error)
            return
        result = "ok" if entry.state is InstallState.DONE and not entry.error else "failed"
        detail = f"{request.kind} {number}, {entry.state}{entry.error and ': ' + entry.error}"
        self._record_audit_event(
            requester, f"{request.kind} {request.strategy}".rstrip(), targets, result, detail
        )

    def _recover(self, record: InstallRecord, requester: Requester) -> None:
        try:
            installer.recover(self._dependencies, record.id, self._on_progress)
        except (InstallError, RackError) as error:
            self._record_audit_event(
                requester, "stop", f"{record.kind} {record.id}", "failed", str(error)
            )
        else:
            self._record_audit_event(
                requester, "stop", f"{record.kind} {record.id}", "ok", "it was interrupted"
            )

    def _on_progress(self, report: ProgressReport) -> None:
        self._progress = report

    def _with_live_progress(self, record: InstallRecord) -> InstallRecord:
        """Return an install as it is now: what moves from one step to the next is not kept."""
        if (
            record.id == self._running_id
        ):  # also where it has ended, and its claim is not yet released
            state = InstallState.STOPPING if self._stop_requested.is_set() else InstallState.RUNNING
            return replace(
                record, state=state, finished_at=None, report=self._progress or record.report
            )
        if record.state in {
            InstallState.RUNNING,
            InstallState.STOPPING,
        }:  # it could not write down its end
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
            _log.error("the audit cannot be kept: %s", error)
