"""An install from the first check to the last ping.

An install checks everything before it switches a relay or activates a configuration. It records
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
from rack.layout import Slot

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
        request.kind, request.strategy, request.actor, dependencies.configuration.path
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
        stages.check(dependencies, progress)
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
) -> None:
    """Recover interrupted installs without starting a new one.

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
    stacks = (dependencies.rack.stack(slot.stack),) if slot else dependencies.rack.stacks
    previous_config = dependencies.configuration.read_active() or ""
    with (
        dependencies.open_log() as log,
        closing(dependencies.make_pinger()) as pinger,
        EventStream(log, pinger, ping_interval, dependencies.clock) as events,
    ):
        numbers = {stack.number for stack in stacks}
        ignored_macs = frozenset(
            rasp.mac
            for rasp in dependencies.inventory.rasps().values()
            if rasp.stack not in numbers
        )
        runner = DiscoveryRunner(
            dependencies.relays, events, dependencies.sync, stop, ignored_macs=ignored_macs
        )
        context = InstallContext(dependencies, install_id, stacks, progress, events, runner)
        stages.shorten_leases(context)
        if slot:
            wait_for_new_board(context)
        strategy = STRATEGIES[request.strategy](context.slot_counts, settings)
        result = stages.discover(context, strategy)
        requested_slots = {find_new_board(context, slot, result): slot.number} if slot else {}
        assigned = stages.assign_slots(context, result, requested_slots).rasps
        stages.activate_configuration(dependencies, install_id, progress, assigned, previous_config)
        found_macs = {mac for macs in result.stacks.values() for mac in macs}
        rasps = [rasp for rasp in assigned if rasp.mac in found_macs]
        verification.renew_leases(context, rasps)
        problems = verification.wait_for_rasps(context, rasps)
    for stack in stacks:
        dependencies.relays.on(stack.number)
    return problems


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
        if record.assignment is None:
            recovery.roll_back(dependencies, record, progress.log_step)
        else:
            recovery.restore_power(dependencies, progress.log_step)
    except PiRackError as error:
        problem = f"{reason}; its changes are not undone yet: {error}"
        dependencies.journal.set_state(install_id, InstallState.INTERRUPTED, problem)
    else:
        dependencies.journal.finish(install_id, state, reason)
