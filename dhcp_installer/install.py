"""The install: which Pi sits where, from the first check to the last ping.

Nothing is in force before it was checked, no relay moves before all is checked, and each step is
in the journal before it is done: see `journal` and `traces` for what becomes of one that ends in
the middle.
"""

from contextlib import closing
from dataclasses import dataclass
from threading import Event

from dhcp_installer import assignment, moving, stages, traces
from dhcp_installer.cut import Cut
from dhcp_installer.discovery import Strategy
from dhcp_installer.driver import Driver
from dhcp_installer.errors import InstallError, Stopped
from dhcp_installer.journal import Entry, InstallKind, InstallState
from dhcp_installer.one_by_one import OneByOne
from dhcp_installer.progress import Stage
from dhcp_installer.replacement import find_new_board, wait_for_new_board
from dhcp_installer.signs import Signs
from dhcp_installer.stages import Site
from dhcp_installer.telling import Tell, Telling
from dhcp_installer.world import World
from rack.errors import RackError
from rack.layout import Slot

STRATEGIES: dict[str, type[Strategy]] = {"cut": Cut, "one-by-one": OneByOne}

_SILENT_AFTER = 1.0
_PART_OF_A_CUT = 1 / 3  # within which silence must be seen


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done, and who wants it.

    `slot` is the one whose board was changed, where one is to be replaced, and `pair` the two whose
    rasps are to be swapped.
    """

    kind: InstallKind
    who: str
    strategy: str = "cut"
    slot: Slot | None = None
    pair: tuple[Slot, Slot] | None = None


def preview(world: World) -> str:
    """Return the diff of dhcpd.conf that the present inventory gives; nothing is changed.

    Raises:
        InstallError, RackError: an install would be refused.
    """
    configuration = world.configuration
    text = configuration.wanted(world.inventory.rasps().values())
    configuration.check(text)
    with world.log():
        world.pinger().close()
    return configuration.diff(configuration.in_force() or "", text)


def begin(world: World, task: Task) -> int:
    """Put a task into the journal; return its number, for `run`.

    Raises:
        DatabaseError: the journal cannot be written.
    """
    return world.journal.begin(task.kind, task.strategy, task.who, world.configuration.path)


def run(world: World, task: Task, number: int, tell: Tell, stop: Event) -> Entry:
    """Do a task from beginning to end; return what the journal has of it then.

    It ends well, or leaves no trace: what cannot be undone now stays in the journal as
    interrupted, for the next one to settle.

    Args:
        world: the rack and its surroundings.
        task: what is to be done.
        number: the task's, in the journal.
        tell: gets each report.
        stop: is set by who wants it to stop.

    Raises:
        DatabaseError: the journal cannot be read or written.
    """
    telling = Telling(world.journal, number, tell)
    try:
        traces.settle(world, telling.say)
        stages.check(world, telling)
        trouble = (
            _swap(world, *task.pair, number, telling)
            if task.pair
            else _find(world, task, number, telling, stop)
        )
        world.journal.end(number, InstallState.DONE, trouble)
        telling.reach(Stage.FINISH)
    except Stopped:
        _undo(world, number, telling, InstallState.STOPPED, "")
    except (InstallError, RackError) as error:
        _undo(world, number, telling, InstallState.FAILED, str(error))
    except BaseException as error:
        _undo(world, number, telling, InstallState.FAILED, f"{type(error).__name__}: {error}")
        raise
    return world.journal.get(number)


def put_in_order(world: World, number: int, tell: Tell) -> None:
    """Settle the traces of installs that were interrupted, instead of another one.

    Args:
        world: the rack and its surroundings.
        number: of the one that tells it.
        tell: gets each report.

    Raises:
        InstallError, RackError: they cannot be settled now.
    """
    before = world.journal.get(number).report
    telling = Telling(world.journal, number, tell, report=before)
    telling.reach(Stage.UNDO)
    traces.settle(world, telling.say, InstallState.STOPPED)


def _find(world: World, task: Task, number: int, telling: Telling, stop: Event) -> str:
    rules = world.rack.install
    silent_after = min(_SILENT_AFTER, rules.cut_seconds * _PART_OF_A_CUT)
    of_stack = task.slot and task.slot.stack
    stacks = (world.rack.stack(of_stack),) if of_stack else world.rack.stacks
    before = world.configuration.in_force() or ""
    with (
        world.log() as log,
        closing(world.pinger()) as pinger,
        Signs(log, pinger, silent_after) as signs,
    ):
        numbers = {stack.number for stack in stacks}
        # What rasps do whose stacks are not cut tells nothing.
        elsewhere = {
            rasp.mac for rasp in world.inventory.rasps().values() if rasp.stack not in numbers
        }
        driver = Driver(world.relays, signs, world.sync, stop, ignored=elsewhere)
        site = Site(world, number, stacks, telling, signs, driver)
        stages.shorten_leases(site)
        if task.slot:
            wait_for_new_board(site)
        findings = stages.discover(site, STRATEGIES[task.strategy](site.slots, rules))
        wanted = {}
        if task.slot:
            wanted[find_new_board(site, task.slot, findings)] = task.slot.number
        decided = stages.decide(site, findings, wanted)
        stages.configure(world, number, telling, decided.rasps, before)
        found = {mac for macs in findings.stacks.values() for mac in macs}
        rasps = [rasp for rasp in decided.rasps if rasp.mac in found]
        moving.move(site, rasps)
        trouble = moving.verify(site, rasps)
    for stack in stacks:
        world.relays.on(stack.number)
    return trouble


def _swap(world: World, one: Slot, other: Slot, number: int, telling: Telling) -> str:
    before = world.configuration.in_force()
    old = list(world.inventory.rasps().values())
    rasps = assignment.swap(
        world.rack,
        old,
        (one.stack, one.number),
        (other.stack, other.number),
    )
    world.journal.write(number, before)
    stages.configure(world, number, telling, rasps, before or "")
    telling.say_all(world.move_host_keys(old, rasps))
    telling.say("the two take their addresses when they boot, or within half a lease")
    return ""


def _undo(world: World, number: int, telling: Telling, state: InstallState, why: str) -> None:
    """Leave no trace of what cannot go on; what was decided stays."""
    telling.reach(Stage.UNDO)
    if why:
        telling.say(why)
    entry = world.journal.get(number)
    if not entry.wrote:
        world.journal.end(number, state, why)
        return
    try:
        if entry.decided is None:
            traces.take_back(world, entry, telling.say)
        else:
            traces.give_back(world, telling.say)
    except (InstallError, RackError) as error:
        world.journal.mark(number, InstallState.INTERRUPTED, f"{why}; not undone yet: {error}")
    else:
        world.journal.end(number, state, why)
