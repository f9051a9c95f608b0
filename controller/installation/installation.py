"""The controller's installs: begun, watched, stopped, one at a time, in a thread of their own.

What an install does to a rack is `dhcp_installer`'s to say; here is who may, when, and who knows.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from controller.audit import Audit, Event
from controller.errors import InstallRuns, NothingToStop
from controller.reservations import Claim, Reservations
from dhcp_installer import assignment, install
from dhcp_installer.errors import InstallError
from dhcp_installer.install import Task
from dhcp_installer.journal import Entry, InstallKind, InstallState
from dhcp_installer.progress import Report
from dhcp_installer.world import World
from rack.errors import DatabaseError, RackError
from rack.layout import Rack, Slot

_STOP_SECONDS = 25.0  # systemd gives the controller 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for something, and the address that it comes from."""

    who: str
    origin: str = ""


class Installation:
    """Installs a rack. Safe to be called from several threads.

    Making it marks as interrupted what an earlier controller left unfinished: nothing moves by it.

    Args:
        world: the rack and its surroundings.
        reservations: who has which stack; an install has all of them.
        audit: keeps who asked for what.

    Raises:
        DatabaseError: the journal cannot be used.
    """

    def __init__(self, world: World, reservations: Reservations, audit: Audit) -> None:
        self._world = world
        self._reservations = reservations
        self._audit = audit
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: int | None = None
        self._report: Report | None = None
        for entry in world.journal.interrupt():
            title = f"{entry.kind} {entry.id}"
            _log.warning("%s was interrupted; the relays are as it left them", title)
            self._record(Asker(entry.who), str(entry.kind), title, "unknown", "interrupted")

    @property
    def rack(self) -> Rack:
        """The layout of the rack that it installs."""
        return self._world.rack

    @property
    def is_running(self) -> bool:
        """Whether an install, a replacement or a swap runs."""
        return self._running is not None

    def preview(self) -> str:
        """Return the diff of dhcpd.conf that the rasps known now give; nothing is changed.

        Raises:
            InstallError, RackError: an install would be refused.
        """
        return install.preview(self._world)

    def start(self, strategy: str, asker: Asker) -> Entry:
        """Begin an install.

        Raises:
            InstallRuns: another one runs.
            StackBusy: an order has one of the stacks.
            DatabaseError: the journal cannot be written.
        """
        task = Task(InstallKind.INSTALL, asker.who, strategy)
        entry, _ = self._begin(task, asker, self._all_stacks, "all stacks")
        return entry

    def replace(self, slot: Slot, strategy: str, asker: Asker) -> Entry:
        """Begin to wait for the new board of a slot. Raises what `start` raises."""
        task = Task(InstallKind.REPLACE, asker.who, strategy, slot=slot)
        entry, _ = self._begin(task, asker, [slot.stack], slot.name)
        return entry

    def swap(self, one: Slot, other: Slot, asker: Asker) -> Entry:
        """Exchange the rasps of two slots of a stack, and return how it ended.

        Raises:
            AssignmentError: the slots are not in one stack, or both are empty.
            InstallRuns, StackBusy, DatabaseError: as `start` does.
        """
        rasps = self._world.inventory.rasps().values()
        places = [(slot.stack, slot.number) for slot in (one, other)]
        assignment.swap(self._world.rack, rasps, *places)  # refuses what cannot be
        task = Task(InstallKind.SWAP, asker.who, "", pair=(one, other))
        entry, thread = self._begin(task, asker, [one.stack], f"{one.name} {other.name}")
        thread.join()
        return self._world.journal.get(entry.id)

    def stop(self, asker: Asker) -> Entry:
        """Have the running one stopped, or what an interrupted one has left put in order.

        Raises:
            NothingToStop: there is neither.
            StackBusy, DatabaseError: as `start` does.
        """
        with self._lock:
            entry = self.latest()
            if entry is not None and entry.id == self._running:
                self._stop.set()
                self._world.journal.mark(entry.id, InstallState.STOPPING)
                self._record(asker, "stop", f"{entry.kind} {entry.id}", "ok", "it is being stopped")
                return self._seen(entry)
            unsettled = self._world.journal.unsettled()
            if not unsettled:
                raise NothingToStop("no install runs, and none that was interrupted left traces")
            entry = unsettled[0]
            claim = self._reservations.claim(self._all_stacks, f"stopping {entry.kind} {entry.id}")
            self._begin_thread(entry.id, claim, partial(self._settle, entry, asker))
            self._stop.set()
            return self._seen(entry)

    def latest(self) -> Entry | None:
        """Return the running one, or the last one; None where there never was any.

        Raises:
            DatabaseError: the journal cannot be read.
        """
        newest = self._world.journal.newest(1)
        return self._seen(newest[0]) if newest else None

    def earlier(self, count: int, before: int | None = None) -> Sequence[Entry]:
        """Return the newest ones, the newest first; raises what `latest` raises."""
        return [self._seen(each) for each in self._world.journal.newest(count, before)]

    def close(self) -> None:
        """Stop what runs, and wait for it: power and configuration are then as they were."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    @property
    def _all_stacks(self) -> list[int]:
        return [stack.number for stack in self._world.rack.stacks]

    def _begin(
        self, task: Task, asker: Asker, stacks: Sequence[int], targets: str
    ) -> tuple[Entry, threading.Thread]:
        with self._lock:
            if self._running is not None:
                raise InstallRuns(
                    f"install {self._running} runs: wait until it is over, or stop it first"
                )
            if self._world.journal.unsettled():  # it may have to give power back anywhere
                stacks = self._all_stacks
            claim = self._reservations.claim(stacks, f"{task.kind} of {task.who}")
            try:
                number = install.begin(self._world, task)
                entry = self._world.journal.get(number)
            except DatabaseError:
                claim.release()
                raise
            work = partial(self._run, task, number, asker, targets)
            thread = self._begin_thread(number, claim, work)
            return self._seen(entry), thread

    def _begin_thread(
        self, number: int, claim: Claim, work: Callable[[], None]
    ) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - whatever it was: another one may begin
                _log.exception("install %d failed", number)
            finally:
                claim.release()
                self._running = None

        self._report = None
        self._stop.clear()
        self._running = number
        self._thread = threading.Thread(target=run, name=f"install {number}")
        self._thread.start()
        return self._thread

    def _run(self, task: Task, number: int, asker: Asker, targets: str) -> None:
        try:
            entry = install.run(self._world, task, number, self._watch, self._stop)
        except DatabaseError as error:
            _log.error("install %d ended, and nobody could write down how: %s", number, error)
            return
        result = "ok" if entry.state is InstallState.DONE and not entry.trouble else "failed"
        detail = f"{task.kind} {number}, {entry.state}{entry.trouble and ': ' + entry.trouble}"
        self._record(asker, f"{task.kind} {task.strategy}".rstrip(), targets, result, detail)

    def _settle(self, entry: Entry, asker: Asker) -> None:
        try:
            install.put_in_order(self._world, entry.id, self._watch)
        except (InstallError, RackError) as error:
            self._record(asker, "stop", f"{entry.kind} {entry.id}", "failed", str(error))
        else:
            self._record(asker, "stop", f"{entry.kind} {entry.id}", "ok", "it was interrupted")

    def _watch(self, report: Report) -> None:
        self._report = report

    def _seen(self, entry: Entry) -> Entry:
        """Return an install as it is now: what moves from one step to the next is not kept."""
        if entry.id == self._running:  # also where it has ended, and its claim is not yet released
            state = InstallState.STOPPING if self._stop.is_set() else InstallState.RUNNING
            return replace(entry, state=state, ended=None, report=self._report or entry.report)
        if entry.state in {
            InstallState.RUNNING,
            InstallState.STOPPING,
        }:  # it could not write down its end
            return replace(entry, state=InstallState.INTERRUPTED)
        return entry

    def _record(self, asker: Asker, what: str, targets: str, result: str, detail: str) -> None:
        try:
            self._audit.record(Event(asker.who, asker.origin, what, targets, result, detail))
        except DatabaseError as error:
            _log.error("the audit cannot be kept: %s", error)
