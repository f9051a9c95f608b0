"""Discovery of the stack of each rasp by switching power.

A strategy is a generator that yields commands, receives the next event, and returns its result. The
runner executes the commands on a real rack or in a simulation. Times are seconds of the runner's
clock, which starts at 0 and never decreases.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Set
from dataclasses import dataclass, field

from rack.settings import InstallSettings

LATE_EVENTS_TIMEOUT = 30.0
"""Maximum seconds to wait for late events, for example on an overloaded master."""


@dataclass(frozen=True, slots=True)
class DhcpActivity:
    """A client sent a message to the DHCP server, so it has power."""

    mac: str
    time: float


@dataclass(frozen=True, slots=True)
class PingRound:
    """Each client with an address was pinged once. Rounds do not overlap.

    Args:
        started_at: Time before the first ping was sent.
        log_read_until: Time until which the log of the DHCP server was read before the round
            started.
        reachable: MAC addresses that replied.
        time: Time of the event.
    """

    started_at: float
    log_read_until: float
    reachable: frozenset[str]
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
    """Request that these rasps write cached data to their disks. Failures are ignored."""

    macs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait for the next event, at most until this time."""

    time: float


DiscoveryEvent = DhcpActivity | PingRound | Tick
Command = PowerOn | PowerOff | Sync | WaitUntil


@dataclass(frozen=True, slots=True)
class DiscoveryResult:
    """Result of a strategy. Each rasp is in one of `stacks`, `conflicts` and `unplaced`.

    Args:
        stacks: MAC addresses found with certainty in each stack.
        missing: Number of slots without a rasp in each stack.
        conflicts: Candidate stacks of rasps that were detected in several stacks.
        unplaced: MAC addresses that were detected in no stack.
        other_vendor_macs: MAC addresses that do not belong to Raspberry Pis.
        late_cuts: Number of times that the power of a stack was cut without evidence, because
            pings were late.
    """

    stacks: Mapping[int, frozenset[str]]
    missing: Mapping[int, int]
    conflicts: Mapping[str, frozenset[int]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()
    other_vendor_macs: frozenset[str] = frozenset()
    late_cuts: int = 0


CommandStream = Generator[Command, DiscoveryEvent, None]
DiscoveryRun = Generator[Command, DiscoveryEvent, DiscoveryResult]


class Strategy(ABC):
    """Base class of the strategies.

    Args:
        slot_counts: Number of slots in each stack.
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
        self._log_read_until = 0.0

    @abstractmethod
    def run(self) -> DiscoveryRun:
        """Yield commands, receive the next event after each, and return the result.

        For each command except `WaitUntil`, the runner executes the command at once and sends a
        `Tick`. Shut down the rasps before, because the first commands switch all stacks off. At the
        end, all stacks are on.
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
        match event:
            case DhcpActivity(mac):
                self._add_macs({mac})
            case PingRound():
                self._add_macs(event.reachable)
                self._log_read_until = event.log_read_until

    def _add_macs(self, macs: Set[str]) -> None:
        if macs <= self._seen_macs:
            return
        for mac in macs - self._seen_macs - self._other_vendor_macs:
            is_rasp = mac.startswith(self._settings.mac_prefixes)
            (self._seen_macs if is_rasp else self._other_vendor_macs).add(mac)

    def _send(self, command: Command) -> CommandStream:
        self._handle((yield command))

    def _wait(self, until: float, done: Callable[[], bool] | None = None) -> CommandStream:
        """Wait until this time or until `done`, including log lines that are read late."""
        command = WaitUntil(until)
        while self._now < until and not (done and done()):
            self._handle((yield command))
        if done:
            yield from self._wait_for_log(until, done)

    def _wait_for_log(
        self, written_until: float, done: Callable[[], bool] = lambda: False
    ) -> CommandStream:
        """Wait until all lines that were in the log at this time are read, or until `done`."""
        timeout = max(self._now, written_until) + LATE_EVENTS_TIMEOUT
        while self._log_read_until < written_until and self._now < timeout and not done():
            yield from self._send(WaitUntil(timeout))

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
