"""Discovery of the outlet of each rasp by switching power.

An outlet powers a whole stack, or one slot.

A strategy is a generator that yields commands, receives the next event, and returns its result. The
runner executes the commands on a real rack or in a simulation. Times are seconds of the runner's
clock, which starts at 0 and never decreases.
"""

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

from dhcp_installer import SlotEvidence
from dhcp_installer.discovery.groups import batches
from rack.layout import Outlet
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
    """Switch outlets on as one."""

    outlets: tuple[Outlet, ...]


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Switch outlets off as one."""

    outlets: tuple[Outlet, ...]


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


@dataclass(frozen=True)
class DiscoveryResult:
    """Result of a strategy. Each rasp is in one of `outlets`, `conflicts` and `unplaced`.

    Args:
        outlets: MAC addresses found with certainty at each outlet.
        missing: Number of slots without a rasp at each outlet.
        conflicts: Candidate outlets of rasps that were detected at several outlets, and the outlet
            of one slot at which several rasps were detected.
        unplaced: MAC addresses that were detected at no outlet.
        other_vendor_macs: MAC addresses that do not belong to Raspberry Pis.
        late_cuts: Number of times that power was cut without evidence, because pings were late.
        slot_evidence: How each rasp was found that is at the outlet of a slot.
    """

    outlets: Mapping[Outlet, frozenset[str]]
    missing: Mapping[Outlet, int]
    conflicts: Mapping[str, frozenset[Outlet]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()
    other_vendor_macs: frozenset[str] = frozenset()
    late_cuts: int = 0
    slot_evidence: Mapping[str, SlotEvidence] = field(default_factory=dict)

    @cached_property
    def stacks(self) -> Mapping[int, frozenset[str]]:
        """MAC addresses found with certainty in each stack."""
        stacks: defaultdict[int, set[str]] = defaultdict(set)
        for outlet, macs in self.outlets.items():
            stacks[outlet.stack] |= macs
        return {stack: frozenset(macs) for stack, macs in stacks.items()}

    @cached_property
    def slots(self) -> Mapping[str, int]:
        """Slot number of each rasp that was found at the outlet of one slot."""
        return {
            mac: outlet.slot
            for outlet, macs in self.outlets.items()
            for mac in macs
            if outlet.slot is not None
        }

    @cached_property
    def missing_by_stack(self) -> Mapping[int, int]:
        """Number of slots without a rasp in each stack."""
        missing: defaultdict[int, int] = defaultdict(int)
        for outlet, count in self.missing.items():
            missing[outlet.stack] += count
        return dict(missing)


CommandStream = Generator[Command, DiscoveryEvent, None]
DiscoveryRun = Generator[Command, DiscoveryEvent, DiscoveryResult]


class Strategy(ABC):
    """Base class of the strategies.

    Args:
        rasp_counts: Number of slots that each outlet powers, sorted by stack and slot.
        settings: Time limits, and the MAC prefixes of rasps.
    """

    def __init__(
        self,
        rasp_counts: Mapping[Outlet, int],
        settings: InstallSettings | None = None,
    ) -> None:
        self._rasp_counts = rasp_counts
        self._stack_count = len({outlet.stack for outlet in rasp_counts})
        self._settings = settings or InstallSettings()
        self._now = 0.0
        self._seen_macs: set[str] = set()
        self._other_vendor_macs: set[str] = set()
        self._log_read_until = 0.0
        self._first_batch_on_at = math.inf  # in the last `_switch_on`

    @abstractmethod
    def run(self) -> DiscoveryRun:
        """Yield commands, receive the next event after each, and return the result.

        For each command except `WaitUntil`, the runner executes the command at once and sends a
        `Tick`. Shut down the rasps before, because the first commands switch all outlets off. At
        the end, all outlets are on.
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
        return self._settings.stagger_seconds * (len(batches(self._rasp_counts)) - 1)

    def _switch_all_off(self) -> CommandStream:
        for outlets in batches(self._rasp_counts):
            yield from self._send(PowerOff(outlets))
        yield from self._wait(self._now + self._settings.cut_seconds)

    def _switch_on(self, outlets: Iterable[Outlet]) -> CommandStream:
        """Switch outlets on, a few at once."""
        self._first_batch_on_at = math.inf
        first, *others = batches(outlets)
        yield from self._send(PowerOn(first))
        self._first_batch_on_at = self._now
        for batch in others:
            yield from self._wait(self._now + self._settings.stagger_seconds)
            yield from self._send(PowerOn(batch))

    def _missing(self, found: Mapping[Outlet, frozenset[str]]) -> dict[Outlet, int]:
        return {
            outlet: count - len(found[outlet])
            for outlet, count in self._rasp_counts.items()
            if count > len(found[outlet])
        }
