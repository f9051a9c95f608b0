"""Discovery of the stack of each rasp by switching power.

A strategy is a generator: it yields commands, receives the next event, and returns its result. Its
runner executes the commands, on a real rack or in a simulation. Times are seconds of the runner's
clock, which starts at 0 and never decreases.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

from rack.settings import InstallSettings


@dataclass(frozen=True, slots=True)
class DhcpActivity:
    """A client sent a message to the DHCP server, so it has power."""

    mac: str
    time: float


@dataclass(frozen=True, slots=True)
class BecameReachable:
    """A client started to reply to ping."""

    mac: str
    time: float


@dataclass(frozen=True, slots=True)
class BecameUnreachable:
    """A client stopped replying to ping. It missed several, for a second or more."""

    mac: str
    time: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A command was executed, or the time to wait for was reached."""

    time: float


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Switch a stack on."""

    stack: int


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Switch a stack off."""

    stack: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Ask these rasps to write their disks. Failures are ignored."""

    macs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait for the next event, at most until this time."""

    time: float


DiscoveryEvent = DhcpActivity | BecameReachable | BecameUnreachable | Tick
Command = PowerOn | PowerOff | Sync | WaitUntil


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """Result of a strategy. A rasp is in one of `stacks`, `conflicts` and `unplaced`.

    Args:
        stacks: MAC addresses found with certainty, by stack.
        missing: Number of slots without a rasp, by stack.
        conflicts: Candidate stacks of rasps that were detected in several.
        unplaced: MAC addresses that were detected in no stack.
        other_vendor_macs: MAC addresses that do not belong to Raspberry Pis.
    """

    stacks: Mapping[int, frozenset[str]]
    missing: Mapping[int, int]
    conflicts: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()
    other_vendor_macs: frozenset[str] = frozenset()


CommandStream = Generator[Command, DiscoveryEvent, None]
DiscoveryRun = Generator[Command, DiscoveryEvent, DiscoveryResult]


class Strategy(ABC):
    """Base class of the strategies.

    Args:
        slot_counts: Number of slots by stack.
        settings: Time limits, and the MAC prefixes of rasps.
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
        """Yield commands, receive the next event after each, and return the result.

        The runner executes commands at once and sends a `Tick`, except for `WaitUntil`. The first
        commands switch all stacks off, so shut down the rasps before. At the end all are on.
        """

    @property
    @abstractmethod
    def stacks_done(self) -> int:
        """Number of stacks checked."""

    @property
    @abstractmethod
    def seconds_left(self) -> float:
        """Estimated time until the result."""

    @property
    @abstractmethod
    def result(self) -> DiscoveryResult:
        """The result so far."""

    def _handle(self, event: DiscoveryEvent) -> None:
        self._now = event.time
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
