"""Strategy `cut`: switch all stacks on, then cut the power of one stack at a time.

A rasp that replies at the end of a cut is certainly not in that stack. A rasp that becomes
unreachable is probably in that stack, but it may also have rebooted or missed pings. A stack is
therefore cut again if its cut reveals too few rasps, or a rasp that another cut revealed too. A
rasp is placed in a stack if two cuts agree. One cut is enough if it completes the stack and the
rasp is excluded from all incomplete stacks.

Only complete ping rounds are evidence, not the time that passed. A cut lasts until there are enough
complete rounds. If these rounds do not complete in time, the cut is repeated later.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from dhcp_installer.discovery.strategy import (
    LATE_EVENTS_TIMEOUT,
    CommandStream,
    DiscoveryEvent,
    DiscoveryResult,
    DiscoveryRun,
    PingRound,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
    WaitUntil,
)
from rack.settings import InstallSettings

_MAX_CUTS_PER_STACK = 3  # after these, uncertain rasps are reported
_MAX_LATE_CUTS_PER_STACK = 3
_ROUNDS = 4  # a rasp that missed so many pings in a row is unreachable
_MAX_ROUND_AGE = 5.0  # seconds before a cut
_HOLD_UP_RATIO = 1 / 2  # part of a cut in which rasps may still reply


def find_reachable(rounds: Iterable[PingRound]) -> frozenset[str]:
    """Return the MAC addresses that replied in one of these ping rounds."""
    return frozenset().union(*(ping_round.reachable for ping_round in rounds))


class SwitchOffEach(Strategy):
    """Strategy `cut`. Rasps must reply to ping. Each rasp boots at least twice."""

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(slot_counts, settings)
        self._cuts: Counter[int] = Counter()
        self._late_cuts: Counter[int] = Counter()
        self._rounds: list[PingRound] = []  # since the last cut, and some before it
        self._switched_on_at = 0.0
        self._on_since: dict[int, float] = {}
        # Number of cuts of each stack in which a rasp became unreachable.
        self._unreachable_in: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._excluded_from: defaultdict[str, set[int]] = defaultdict(set)
        self._given_up: set[int] = set()
        self._boot_deadline = (
            self._settings.cut_seconds
            + self._switch_all_on_seconds
            + self._settings.timeout_seconds
        )

    def run(self) -> DiscoveryRun:
        """Run the strategy, see `Strategy.run`."""
        yield from self._switch_all_off()
        self._rounds.clear()
        self._switched_on_at = self._now
        yield from self._switch_all_on()
        rasp_count = sum(self._slot_counts.values())
        self._boot_deadline = self._now + self._settings.timeout_seconds
        yield from self._wait(self._boot_deadline, lambda: len(self._reachable) >= rasp_count)
        self._boot_deadline = self._now
        yield from self._send(Sync(self._reachable))
        for stack in self._slot_counts:
            yield from self._power_cycle(stack)
        while macs_by_stack := self._stacks_to_recheck():
            yield from self._recheck(macs_by_stack)
        return self.result

    @property
    def stacks_done(self) -> int:
        """Number of stacks that were cut."""
        return len(self._cuts)

    @property
    def seconds_left(self) -> float:
        """Estimated time if no stack is cut again."""
        remaining = len(self._slot_counts) - len(self._cuts)
        return max(0.0, self._boot_deadline - self._now) + remaining * self._settings.cut_seconds

    @property
    def result(self) -> DiscoveryResult:
        """The result so far."""
        members = self._members()
        uncertain = self._unconfirmed(members)
        stacks = {stack: frozenset(macs - uncertain) for stack, macs in members.items()}
        placed = frozenset().union(*stacks.values())
        conflicts = {
            mac: stacks for mac, stacks in self._candidate_stacks().items() if len(stacks) > 1
        }
        return DiscoveryResult(
            stacks,
            self._missing(stacks),
            conflicts,
            frozenset(self._seen_macs - placed - conflicts.keys()),
            frozenset(self._other_vendor_macs),
            self._late_cuts.total(),
        )

    @property
    def _reachable(self) -> frozenset[str]:
        """Rasps that replied to one of the last pings."""
        return find_reachable(self._rounds[-_ROUNDS:]) & self._seen_macs

    def _handle(self, event: DiscoveryEvent) -> None:
        super()._handle(event)
        if isinstance(event, PingRound) and event.started_at >= self._switched_on_at:
            self._rounds.append(event)

    def _power_cycle(self, stack: int) -> CommandStream:
        yield from self._wait_for_round(self._now - _MAX_ROUND_AGE)
        del self._rounds[:-_ROUNDS]
        yield from self._send(PowerOff(stack))
        off_at, seconds = self._now, self._settings.cut_seconds
        yield from self._wait(off_at + seconds)
        yield from self._wait_for_round(off_at + seconds * _HOLD_UP_RATIO, _ROUNDS)
        self._evaluate_cut(stack, off_at)
        yield from self._send(PowerOn(stack))
        self._on_since[stack] = self._now

    def _wait_for_round(self, started_at: float, count: int = 1) -> CommandStream:
        """Wait for `count` complete ping rounds that started at this time or later."""
        timeout = self._now + LATE_EVENTS_TIMEOUT
        while len(self._rounds_since(started_at)) < count and self._now < timeout:
            yield from self._send(WaitUntil(timeout))

    def _rounds_since(self, started_at: float) -> list[PingRound]:
        return [r for r in self._rounds if r.started_at >= started_at]

    def _evaluate_cut(self, stack: int, off_at: float) -> None:
        """Record which rasps became unreachable in a cut, and which are excluded from the stack."""
        rounds_before = [
            r for r in self._rounds_since(off_at - _MAX_ROUND_AGE) if r.started_at < off_at
        ]
        rounds = self._rounds_since(off_at + self._settings.cut_seconds * _HOLD_UP_RATIO)
        if not rounds_before or len(rounds) < _ROUNDS:
            self._late_cuts[stack] += 1
            return
        self._cuts[stack] += 1
        reachable = find_reachable(rounds[-_ROUNDS:]) & self._seen_macs
        for mac in reachable:
            self._excluded_from[mac].add(stack)
        previously_reachable = find_reachable(rounds_before[-_ROUNDS:]) & self._seen_macs
        for mac in previously_reachable - reachable:
            self._unreachable_in[mac][stack] += 1

    def _recheck(self, macs_by_stack: Mapping[int, frozenset[str]]) -> CommandStream:
        """Cut the first of these stacks whose rasps are reachable or had time to boot."""
        deadlines = {
            stack: self._on_since[stack] + self._settings.timeout_seconds for stack in macs_by_stack
        }

        def ready() -> list[int]:
            return [
                stack
                for stack, macs in macs_by_stack.items()
                if macs <= self._reachable or self._now >= deadlines[stack]
            ]

        yield from self._wait(min(deadlines.values()), lambda: bool(ready()))
        stack = ready()[0]
        if reachable := macs_by_stack[stack] & self._reachable:
            yield from self._send(Sync(reachable))
            yield from self._power_cycle(stack)
        else:  # a cut would have no effect to observe
            self._given_up.add(stack)

    def _candidate_stacks(self) -> dict[str, frozenset[int]]:
        """Return the stacks that each rasp may be in, keyed by MAC address."""
        return {
            mac: frozenset(stacks.keys() - self._excluded_from[mac])
            for mac, stacks in self._unreachable_in.items()
        }

    def _members(self) -> dict[int, set[str]]:
        """Return the rasps with only one possible stack, keyed by that stack."""
        members: dict[int, set[str]] = {stack: set() for stack in self._slot_counts}
        for mac, stacks in self._candidate_stacks().items():
            if len(stacks) == 1:
                members[min(stacks)].add(mac)
        return members

    def _unconfirmed(self, members: Mapping[int, set[str]]) -> set[str]:
        """Return the members that only one cut indicates, and that need a second cut."""
        incomplete = {
            stack for stack, macs in members.items() if len(macs) < self._slot_counts[stack]
        }
        return {
            mac
            for stack, macs in members.items()
            for mac in macs
            if self._unreachable_in[mac][stack] == 1
            and (len(macs) != self._slot_counts[stack] or incomplete - self._excluded_from[mac])
        }

    def _stacks_to_recheck(self) -> dict[int, frozenset[str]]:
        """Return the stacks to cut again, with rasps that the cut may place or exclude.

        Stacks with inconsistent results come first, because their cuts may confirm other rasps too.
        """
        members = self._members()
        open_stacks = [
            stack
            for stack in self._slot_counts
            if self._cuts[stack] < _MAX_CUTS_PER_STACK
            and self._late_cuts[stack] < _MAX_LATE_CUTS_PER_STACK
            and stack not in self._given_up
        ]
        candidates = self._candidate_stacks()
        contested = {s for stacks in candidates.values() if len(stacks) > 1 for s in stacks}
        unplaced = {mac for mac in self._reachable if not candidates.get(mac)}
        inconsistent = {
            stack: self._macs_to_wait_for(stack)
            for stack in open_stacks
            if stack in contested
            or (
                len(members[stack]) != self._slot_counts[stack]
                and (self._cuts[stack] <= 1 or self._may_be_in(stack, unplaced))
            )
        }
        uncertain = self._unconfirmed(members)
        return inconsistent or {
            stack: frozenset(members[stack] & uncertain)
            for stack in open_stacks
            if members[stack] & uncertain
        }

    def _may_be_in(self, stack: int, macs: Collection[str]) -> bool:
        return any(stack not in self._excluded_from[mac] for mac in macs)

    def _macs_to_wait_for(self, stack: int) -> frozenset[str]:
        """Return the rasps that another cut of the stack may place or exclude.

        The result includes rasps that a single cut placed in another stack. Such a rasp may have
        rebooted during that cut.
        """
        candidates = self._candidate_stacks()

        def is_confirmed(mac: str) -> bool:
            stacks = candidates.get(mac, frozenset())
            return len(stacks) == 1 and self._unreachable_in[mac][min(stacks)] > 1

        return frozenset(
            mac
            for mac in self._seen_macs
            if stack not in self._excluded_from[mac] and not is_confirmed(mac)
        )
