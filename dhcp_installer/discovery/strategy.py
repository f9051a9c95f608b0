"""Discovery: learning by power which rasp is in which stack. Decides only; nothing is done here.

A strategy is a generator: it yields commands, is sent the event that came next, and returns its
findings. Whoever drives it owns the relays, the log, the pings and the clock, real ones or a
simulation's: see `Strategy.run`. Times are seconds of the driver's clock, which begins with 0 and
never steps back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from rack.layout import InstallSettings


@dataclass(frozen=True, slots=True)
class DhcpActivity:
    """A client has just spoken to the DHCP server, so it has power."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class BecameReachable:
    """A client that was silent answers pings from now on."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class BecameUnreachable:
    """A client that answered pings does so no longer: several in a row, for a second at least."""

    mac: str
    at: float


@dataclass(frozen=True, slots=True)
class Tick:
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


DiscoveryEvent = DhcpActivity | BecameReachable | BecameUnreachable | Tick
Command = PowerOn | PowerOff | Sync | WaitUntil


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """What a strategy found.

    A rasp is either in `stacks`, where it certainly is, or in `conflicts` with the stacks that it
    seems to be in, or in `unplaced`: it was seen, and in no stack. `missing` is how many slots of a
    stack nobody was found for. `other_vendor_macs` are MAC addresses of other makers than Raspberry Pi's.
    """

    stacks: Mapping[int, frozenset[str]]
    missing: Mapping[int, int]
    conflicts: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()
    other_vendor_macs: frozenset[str] = frozenset()


CommandStream = Generator[Command, DiscoveryEvent, None]
DiscoveryRun = Generator[Command, DiscoveryEvent, DiscoveryResult]


class Strategy(ABC):
    """A way to discover.

    Args:
        slot_counts: how many slots each stack has, by its number.
        settings: how long what may take, and what a rasp's MAC begins with.
    """

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        self._slot_counts = slot_counts
        self._settings = settings or InstallSettings()
        self._now = 0.0
        self._seen_macs: set[str] = set()
        self._other_vendor_macs: set[str] = set()
        self._reachable: set[str] = set()

    @abstractmethod
    def run(self) -> DiscoveryRun:
        """Discover: yield a command, be sent the next event, return the findings.

        Every command but `WaitUntil` is to be done at once and answered by a `Tick`. The first
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
    def result(self) -> DiscoveryResult:
        """What is known so far."""

    def _handle(self, event: DiscoveryEvent) -> None:
        self._now = event.at
        if isinstance(event, Tick):
            return
        if not event.mac.startswith(self._settings.mac_prefixes):
            self._other_vendor_macs.add(event.mac)
            return
        self._seen_macs.add(event.mac)
        if isinstance(event, BecameReachable):
            self._reachable.add(event.mac)
        elif isinstance(event, BecameUnreachable):
            self._reachable.discard(event.mac)

    def _send(self, command: Command) -> CommandStream:
        self._handle((yield command))

    def _wait(self, until: float, done: Callable[[], bool] = lambda: False) -> CommandStream:
        while self._now < until and not done():
            yield from self._send(WaitUntil(until))

    @property
    def _switch_all_on_seconds(self) -> float:
        return self._settings.stagger_seconds * (len(self._slot_counts) - 1)

    def _switch_all_off(self) -> CommandStream:
        for stack in self._slot_counts:
            yield from self._send(PowerOff(stack))
        yield from self._wait(self._now + self._settings.cut_seconds)

    def _switch_all_on(self) -> CommandStream:
        for stack in self._slot_counts:
            yield from self._send(PowerOn(stack))
            if stack != max(self._slot_counts):
                yield from self._wait(self._now + self._settings.stagger_seconds)

    def _missing(self, stacks: Mapping[int, frozenset[str]]) -> dict[int, int]:
        found = {stack: len(macs) for stack, macs in stacks.items()}
        return {
            stack: count - found[stack]
            for stack, count in self._slot_counts.items()
            if count > found[stack]
        }
