"""An install from the first check to the last ping.

An install checks everything before it switches an outlet or activates a configuration. It records
each step in the journal before it carries out the step. See `recovery` for interrupted installs.
"""

from contextlib import closing
from dataclasses import dataclass
from threading import Event

from dhcp_installer import DEFAULT_STRATEGY
from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.runner import DiscoveryRunner
from dhcp_installer.discovery.strategy import Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from dhcp_installer.errors import InstallStoppedError
from dhcp_installer.install import assignment, recovery, stages, verification
from dhcp_installer.install.context import InstallContext, InstallDependencies
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import ProgressCallback, ProgressReporter, Stage
from dhcp_installer.install.replacement import find_new_board, wait_for_new_board
from rack.errors import PiRackError
from rack.layout import Outlet, Rack, Slot

STRATEGIES: dict[str, type[Strategy]] = {"cut": SwitchOffEach, "one-by-one": SwitchOnEach}

_MAX_PING_INTERVAL = 0.25
_PING_ROUNDS_PER_CUT = 12


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """A requested install, replacement or swap.

    Args:
        kind: Kind of the request.
        actor: User, token or console that made the request.
        strategy: Name of the discovery strategy.
        slot_to_replace: The slot with the new board, for a replacement.
        slots_to_swap: The slots whose rasps are exchanged, for a swap.
    """

    kind: InstallKind
    actor: str
    strategy: str = DEFAULT_STRATEGY
    slot_to_replace: Slot | None = None
    slots_to_swap: tuple[Slot, Slot] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the slots of a replacement or a swap, empty for the whole rack."""
        slots = self.slots_to_swap or filter(None, [self.slot_to_replace])
        return tuple(slot.name for slot in slots)


def preview(dependencies: InstallDependencies) -> str:
    """Return the diff of dhcpd.conf for the current inventory. Change nothing.

    Raises:
        PiRackError: If an install would fail at its start.
    """
    configuration = dependencies.configuration
    text = configuration.render(dependencies.inventory.rasps().values())
    configuration.check(text)
    with dependencies.open_log():
        dependencies.make_pinger().close()
    return configuration.diff(configuration.read_active() or "", text)


def create(dependencies: InstallDependencies, request: InstallRequest) -> int:
    """Create an install in the journal and return its id, for `run`.

    Raises:
        DatabaseError: If the journal cannot be written.
    """
    return dependencies.journal.create(
        request.kind,
        request.strategy,
        request.actor,
        dependencies.configuration.path,
        request.targets,
    )


def run(
    dependencies: InstallDependencies,
    request: InstallRequest,
    install_id: int,
    on_progress: ProgressCallback,
    stop: Event,
) -> InstallRecord:
    """Run an install and return its final record.

    If the install fails or is stopped, its changes are undone. If they cannot be undone, the
    install stays interrupted, and the next install recovers it.

    Args:
        dependencies: Components that the install reads and changes.
        request: The requested install.
        install_id: Id in the journal.
        on_progress: Receives each report.
        stop: Set to stop the install.

    Raises:
        DatabaseError: If the journal cannot be read or written.
    """
    progress = ProgressReporter(dependencies.journal, install_id, on_progress)
    try:
        recovery.recover_interrupted(dependencies, progress.log_step)
        stages.check(dependencies, _outlets_to_switch(dependencies.rack, request), progress)
        problems = (
            _swap_rasps(dependencies, *request.slots_to_swap, install_id, progress)
            if request.slots_to_swap
            else _discover_and_configure(dependencies, request, install_id, progress, stop)
        )
        dependencies.journal.finish(install_id, InstallState.DONE, problems)
        progress.enter_stage(Stage.FINISH)
    except InstallStoppedError:
        _undo(dependencies, install_id, progress, InstallState.STOPPED, "")
    except PiRackError as error:
        _undo(dependencies, install_id, progress, InstallState.FAILED, str(error))
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        _undo(dependencies, install_id, progress, InstallState.FAILED, reason)
        raise
    return dependencies.journal.get(install_id)


def recover(
    dependencies: InstallDependencies, install_id: int, on_progress: ProgressCallback
) -> InstallRecord:
    """Recover interrupted installs without starting a new one. Return the record of this install.

    Args:
        dependencies: Components that the install reads and changes.
        install_id: Id of the install that reports the progress.
        on_progress: Receives each report.

    Raises:
        PiRackError: If an install cannot be recovered.
    """
    report = dependencies.journal.get(install_id).report
    progress = ProgressReporter(dependencies.journal, install_id, on_progress, report=report)
    progress.enter_stage(Stage.UNDO)
    recovery.recover_interrupted(dependencies, progress.log_step, InstallState.STOPPED)
    return dependencies.journal.get(install_id)


def _discover_and_configure(
    dependencies: InstallDependencies,
    request: InstallRequest,
    install_id: int,
    progress: ProgressReporter,
    stop: Event,
) -> str:
    """Install the rack or replace a board. Return the problems, empty if none."""
    settings = dependencies.rack.install
    ping_interval = min(_MAX_PING_INTERVAL, settings.cut_seconds / _PING_ROUNDS_PER_CUT)
    slot = request.slot_to_replace
    outlets = _outlets_to_switch(dependencies.rack, request)
    previous_config = dependencies.configuration.read_active() or ""
    with (
        dependencies.open_log() as log,
        closing(dependencies.make_pinger()) as pinger,
        EventStream(log, pinger, ping_interval, dependencies.clock) as events,
    ):
        slots = {
            slot.target
            for outlet in outlets
            for slot in dependencies.rack.stack(outlet.stack).slots_of(outlet)
        }
        ignored_macs = frozenset(
            rasp.mac for rasp in dependencies.inventory.rasps().values() if rasp.target not in slots
        )
        runner = DiscoveryRunner(
            dependencies.outlets, events, dependencies.sync, stop, ignored_macs=ignored_macs
        )
        context = InstallContext(dependencies, install_id, outlets, progress, events, runner)
        stages.shorten_leases(context)
        if slot:
            wait_for_new_board(context)
        strategy = STRATEGIES[request.strategy](context.rasp_counts, settings)
        result = stages.discover(context, strategy)
        requested_slots = {find_new_board(context, slot, result): slot.number} if slot else {}
        assigned = stages.assign_slots(context, result, requested_slots).rasps
        stages.activate_configuration(dependencies, install_id, progress, assigned, previous_config)
        found_macs = {mac for macs in result.stacks.values() for mac in macs}
        rasps = [rasp for rasp in assigned if rasp.mac in found_macs]
        verification.renew_leases(context, rasps)
        problems = verification.wait_for_rasps(context, rasps)
    dependencies.outlets.switch(dict.fromkeys(outlets, True))
    return problems


def _outlets_to_switch(rack: Rack, request: InstallRequest) -> tuple[Outlet, ...]:
    """Return the outlets that an install or a replacement switches."""
    if slot := request.slot_to_replace:
        return (rack.stack(slot.stack).outlet_of(slot),)
    return () if request.slots_to_swap else rack.outlets


def _swap_rasps(
    dependencies: InstallDependencies,
    one: Slot,
    other: Slot,
    install_id: int,
    progress: ProgressReporter,
) -> str:
    previous_config = dependencies.configuration.read_active()
    previous_rasps = list(dependencies.inventory.rasps().values())
    rasps = assignment.swap(previous_rasps, one, other)
    dependencies.journal.record_config_write(install_id, previous_config)
    stages.activate_configuration(dependencies, install_id, progress, rasps, previous_config or "")
    progress.log_step(
        "the rasps get their new addresses when they boot, or within half of the lease time"
    )
    return ""


def _undo(
    dependencies: InstallDependencies,
    install_id: int,
    progress: ProgressReporter,
    state: InstallState,
    reason: str,
) -> None:
    """Undo the changes of an install, except a final assignment."""
    progress.enter_stage(Stage.UNDO)
    if reason:
        progress.log_step(reason)
    record = dependencies.journal.get(install_id)
    if not record.config_written:
        dependencies.journal.finish(install_id, state, reason)
        return
    try:
        problem = ""
        if record.assignment is None:
            problem = recovery.roll_back(dependencies, record, progress.log_step)
        else:
            recovery.restore_power(dependencies, progress.log_step)
    except PiRackError as error:
        pending = f"its changes are not undone yet: {error}"
        dependencies.journal.set_state(
            install_id, InstallState.INTERRUPTED, recovery.join_problems(reason, pending)
        )
    else:
        final_state = InstallState.FAILED if problem else state
        error_text = recovery.join_problems(reason, problem)
        dependencies.journal.finish(install_id, final_state, error_text)
