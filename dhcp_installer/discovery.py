"""Discovery: learning by power which rasp is in which stack. Decides only; nothing is done here.

A strategy is a generator: it yields commands, is sent the event that came next, and returns its
findings. Whoever drives it owns the relays, the log, the pings and the clock, real ones or a
simulation's: see `Strategy.run`. Times are seconds of the driver's clock, which begins with 0 and
never steps back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from rack.layout import InstallRules


@dataclass(frozen=True, slots=True)
class Seen:
    """A client has just spoken to the DHCP server, so it has power."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class Answers:
    """A client that was silent answers pings from now on."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class FellSilent:
    """A client that answered pings does so no longer: several in a row, for a second at least."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class Clock:
    """Nothing but time: a command was done, or the time waited for has come."""

    at: float


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Give a stack power."""

    stack: int


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Cut a stack's power at once; nothing where it has none."""

    stack: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Ask these rasps to write their disks: a cut is near. Those that do not listen are let be."""

    macs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait for the next event, and for this time at the longest."""

    at: float


Event = Seen | Answers | FellSilent | Clock
Command = PowerOn | PowerOff | Sync | WaitUntil


@dataclass(frozen=True, slots=True)
class Findings:
    """What a strategy found.

    A rasp is either in `stacks`, where it certainly is, or in `conflicts` with the stacks that it
    seems to be in, or in `unplaced`: it was seen, and in no stack. `missing` is how many slots of a
    stack nobody was found for. `strangers` are MAC addresses of other makers than Raspberry Pi's.
    """

    stacks: Mapping[int, frozenset[str]]
    missing: Mapping[int, int]
    conflicts: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()


Steps = Generator[Command, Event, None]
Discovery = Generator[Command, Event, Findings]


class Strategy(ABC):
    """A way to discover.

    Args:
        slots: how many slots each stack has, by its number.
        rules: how long what may take, and what a rasp's MAC begins with.
    """

    def __init__(
        self,
        slots: Mapping[int, int],
        rules: InstallRules | None = None,
    ) -> None:
        self._slots = slots
        self._rules = rules or InstallRules()
        self._now = 0.0
        self._seen: set[str] = set()
        self._strangers: set[str] = set()
        self._answering: set[str] = set()

    @abstractmethod
    def run(self) -> Discovery:
        """Discover: yield a command, be sent the next event, return the findings.

        Every command but `WaitUntil` is to be done at once and answered by a `Clock`. The first
        commands cut all stacks: have the rasps shut down before. All have power in the end.
        """

    @property
    @abstractmethod
    def stacks_done(self) -> int:
        """How many stacks were looked at."""

    @property
    @abstractmethod
    def seconds_left(self) -> float:
        """For how long it will go on, as far as it can tell."""

    @property
    @abstractmethod
    def findings(self) -> Findings:
        """What is known so far."""

    def _hear(self, event: Event) -> None:
        self._now = event.at
        if isinstance(event, Clock):
            return
        if not event.mac.startswith(self._rules.mac_prefixes):
            self._strangers.add(event.mac)
            return
        self._seen.add(event.mac)
        if isinstance(event, Answers):
            self._answering.add(event.mac)
        elif isinstance(event, FellSilent):
            self._answering.discard(event.mac)

    def _do(self, command: Command) -> Steps:
        self._hear((yield command))

    def _wait(self, until: float, is_enough: Callable[[], bool] = lambda: False) -> Steps:
        while self._now < until and not is_enough():
            yield from self._do(WaitUntil(until))

    @property
    def _all_on_seconds(self) -> float:
        return self._rules.stagger_seconds * (len(self._slots) - 1)

    def _all_off(self) -> Steps:
        for stack in self._slots:
            yield from self._do(PowerOff(stack))
        yield from self._wait(self._now + self._rules.cut_seconds)

    def _all_on(self) -> Steps:
        for stack in self._slots:
            yield from self._do(PowerOn(stack))
            if stack != max(self._slots):
                yield from self._wait(self._now + self._rules.stagger_seconds)

    def _missing(self, stacks: Mapping[int, frozenset[str]]) -> dict[int, int]:
        found = {stack: len(macs) for stack, macs in stacks.items()}
        return {
            stack: count - found[stack]
            for stack, count in self._slots.items()
            if count > found[stack]
        }
