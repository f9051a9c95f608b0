"""The install: which Pi sits where, from the first check to the last ping.

Nothing is in force before it was checked, no relay moves before all is checked, and each step is
in the journal before it is done: see `journal` and `traces` for what becomes of one that ends in
the middle.
"""

from contextlib import closing
from dataclasses import dataclass
from threading import Event

from dhcp_installer.discovery.event_stream import EventStream
from dhcp_installer.discovery.runner import DiscoveryRunner
from dhcp_installer.discovery.strategy import Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from dhcp_installer.errors import InstallError, InstallStoppedError
from dhcp_installer.install import assignment, recovery, stages, verification
from dhcp_installer.install.context import InstallDependencies
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import Stage
from dhcp_installer.install.replacement import find_new_board, wait_for_new_board
from dhcp_installer.install.stages import InstallContext
from dhcp_installer.telling import ProgressCallback, ProgressReporter
from rack.errors import RackError
from rack.layout import Slot

STRATEGIES: dict[str, type[Strategy]] = {"cut": SwitchOffEach, "one-by-one": SwitchOnEach}

_OFFLINE_AFTER = 1.0
_MAX_SILENCE_RATIO = 1 / 3  # within which silence must be seen


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """What is to be done, and who wants it.

    `slot_to_replace` is the one whose board was changed, where one is to be replaced, and `slots_to_swap` the two whose
    rasps are to be swapped.
    """

    kind: InstallKind
    actor: str
    strategy: str = "cut"
    slot_to_replace: Slot | None = None
    slots_to_swap: tuple[Slot, Slot] | None = None


def preview(dependencies: InstallDependencies) -> str:
    """Return the diff of dhcpd.conf that the present inventory gives; nothing is changed.

    Raises:
        InstallError, RackError: an install would be refused.
    """
    configuration = dependencies.configuration
    text = configuration.render(dependencies.inventory.rasps().values())
    configuration.check(text)
    with dependencies.open_log():
        dependencies.make_pinger().close()
    return configuration.diff(configuration.read_active() or "", text)


def create(dependencies: InstallDependencies, request: InstallRequest) -> int:
    """Put a task into the journal; return its number, for `run`.

    Raises:
        DatabaseError: the journal cannot be written.
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
    """Do a task from beginning to end; return what the journal has of it then.

    It ends well, or leaves no trace: what cannot be undone now stays in the journal as
    interrupted, for the next one to settle.

    Args:
        dependencies: the rack and its surroundings.
        request: what is to be done.
        install_id: the task's, in the journal.
        on_progress: gets each report.
        stop: is set by who wants it to stop.

    Raises:
        DatabaseError: the journal cannot be read or written.
    """
    telling = ProgressReporter(dependencies.journal, install_id, on_progress)
    try:
        recovery.recover_interrupted(dependencies, telling.log_step)
        stages.check(dependencies, telling)
        trouble = (
            _swap_rasps(dependencies, *request.slots_to_swap, install_id, telling)
            if request.slots_to_swap
            else _discover_and_configure(dependencies, request, install_id, telling, stop)
        )
        dependencies.journal.finish(install_id, InstallState.DONE, trouble)
        telling.enter_stage(Stage.FINISH)
    except InstallStoppedError:
        _undo(dependencies, install_id, telling, InstallState.STOPPED, "")
    except (InstallError, RackError) as error:
        _undo(dependencies, install_id, telling, InstallState.FAILED, str(error))
    except BaseException as error:
        _undo(
            dependencies,
            install_id,
            telling,
            InstallState.FAILED,
            f"{type(error).__name__}: {error}",
        )
        raise
    return dependencies.journal.get(install_id)


def recover(
    dependencies: InstallDependencies, install_id: int, on_progress: ProgressCallback
) -> None:
    """Settle the traces of installs that were interrupted, instead of another one.

    Args:
        dependencies: the rack and its surroundings.
        install_id: of the one that tells it.
        on_progress: gets each report.

    Raises:
        InstallError, RackError: they cannot be settled now.
    """
    before = dependencies.journal.get(install_id).report
    telling = ProgressReporter(dependencies.journal, install_id, on_progress, report=before)
    telling.enter_stage(Stage.UNDO)
    recovery.recover_interrupted(dependencies, telling.log_step, InstallState.STOPPED)


def _discover_and_configure(
    dependencies: InstallDependencies,
    request: InstallRequest,
    install_id: int,
    progress: ProgressReporter,
    stop: Event,
) -> str:
    rules = dependencies.rack.install
    silent_after = min(_OFFLINE_AFTER, rules.cut_seconds * _MAX_SILENCE_RATIO)
    of_stack = request.slot_to_replace and request.slot_to_replace.stack
    stacks = (dependencies.rack.stack(of_stack),) if of_stack else dependencies.rack.stacks
    before = dependencies.configuration.read_active() or ""
    with (
        dependencies.open_log() as log,
        closing(dependencies.make_pinger()) as pinger,
        EventStream(log, pinger, silent_after) as signs,
    ):
        numbers = {stack.number for stack in stacks}
        # What rasps do whose stacks are not cut tells nothing.
        elsewhere = {
            rasp.mac
            for rasp in dependencies.inventory.rasps().values()
            if rasp.stack not in numbers
        }
        driver = DiscoveryRunner(
            dependencies.relays, signs, dependencies.sync, stop, ignored_macs=elsewhere
        )
        site = InstallContext(dependencies, install_id, stacks, progress, signs, driver)
        stages.shorten_leases(site)
        if request.slot_to_replace:
            wait_for_new_board(site)
        findings = stages.discover(site, STRATEGIES[request.strategy](site.slot_counts, rules))
        wanted = {}
        if request.slot_to_replace:
            wanted[find_new_board(site, request.slot_to_replace, findings)] = (
                request.slot_to_replace.number
            )
        decided = stages.assign_slots(site, findings, wanted)
        stages.activate_configuration(dependencies, install_id, progress, decided.rasps, before)
        found = {mac for macs in findings.stacks.values() for mac in macs}
        rasps = [rasp for rasp in decided.rasps if rasp.mac in found]
        verification.renew_leases(site, rasps)
        trouble = verification.wait_for_rasps(site, rasps)
    for stack in stacks:
        dependencies.relays.on(stack.number)
    return trouble


def _swap_rasps(
    dependencies: InstallDependencies,
    one: Slot,
    other: Slot,
    install_id: int,
    progress: ProgressReporter,
) -> str:
    before = dependencies.configuration.read_active()
    old = list(dependencies.inventory.rasps().values())
    rasps = assignment.swap(
        dependencies.rack,
        old,
        (one.stack, one.number),
        (other.stack, other.number),
    )
    dependencies.journal.record_config_write(install_id, before)
    stages.activate_configuration(dependencies, install_id, progress, rasps, before or "")
    progress.log_steps(dependencies.move_host_keys(old, rasps))
    progress.log_step("the two take their addresses when they boot, or within half a lease")
    return ""


def _undo(
    dependencies: InstallDependencies,
    install_id: int,
    progress: ProgressReporter,
    state: InstallState,
    reason: str,
) -> None:
    """Leave no trace of what cannot go on; what was decided stays."""
    progress.enter_stage(Stage.UNDO)
    if reason:
        progress.log_step(reason)
    entry = dependencies.journal.get(install_id)
    if not entry.config_written:
        dependencies.journal.finish(install_id, state, reason)
        return
    try:
        if entry.assignment is None:
            recovery.roll_back(dependencies, entry, progress.log_step)
        else:
            recovery.restore_power(dependencies, progress.log_step)
    except (InstallError, RackError) as error:
        dependencies.journal.set_state(
            install_id, InstallState.INTERRUPTED, f"{reason}; not undone yet: {error}"
        )
    else:
        dependencies.journal.finish(install_id, state, reason)
