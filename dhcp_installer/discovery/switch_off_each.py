"""The strategy `cut`: give all stacks power, then cut one at a time and see who falls silent.

What a cut tells is of two kinds. A rasp that answers while a stack has no power is certainly not
in that stack. One that falls silent with it is probably in it: it may as well have rebooted by
itself, or pings were lost. So a stack that does not show its full number, or shows a rasp that
another stack showed too, is cut again when those in doubt are back. A rasp counts as found where
two cuts agree, or one, if that makes the stack full and no stack that lacks a rasp may be its own.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from dhcp_installer.discovery.strategy import (
    CommandStream,
    DiscoveryResult,
    DiscoveryRun,
    PowerOff,
    PowerOn,
    Strategy,
    Sync,
)
from rack.layout import InstallSettings

_MAX_CUTS_PER_STACK = 3  # of one stack: what is in doubt after these is told, not guessed


class SwitchOffEach(Strategy):
    """See the module. Rasps must answer pings; costs each of them two boots."""

    def __init__(
        self,
        slot_counts: Mapping[int, int],
        settings: InstallSettings | None = None,
    ) -> None:
        super().__init__(slot_counts, settings)
        self._cuts: Counter[int] = Counter()
        self._on_since: dict[int, float] = {}
        self._unreachable_in: defaultdict[str, Counter[int]] = defaultdict(
            Counter
        )  # in which stack's cuts
        self._excluded_from: defaultdict[str, set[int]] = defaultdict(set)
        self._given_up: set[int] = set()
        self._boot_deadline = (
            self._settings.cut_seconds
            + self._switch_all_on_seconds
            + self._settings.timeout_seconds
        )

    def run(self) -> DiscoveryRun:
        """Discover; see `Strategy.run`."""
        yield from self._switch_all_off()
        yield from self._switch_all_on()
        everybody = sum(self._slot_counts.values())
        self._boot_deadline = self._now + self._settings.timeout_seconds
        yield from self._wait(self._boot_deadline, lambda: len(self._reachable) >= everybody)
        self._boot_deadline = self._now
        yield from self._send(Sync(frozenset(self._reachable)))
        for stack in self._slot_counts:
            yield from self._power_cycle(stack)
        while doubtful := self._stacks_to_recheck():
            yield from self._recheck(doubtful)
        return self.result

    @property
    def stacks_done(self) -> int:
        """How many stacks were cut."""
        return len(self._cuts)

    @property
    def seconds_left(self) -> float:
        """For how long it will go on if no stack has to be cut again."""
        left = len(self._slot_counts) - len(self._cuts)
        return max(0.0, self._boot_deadline - self._now) + left * self._settings.cut_seconds

    @property
    def result(self) -> DiscoveryResult:
        """What is known so far."""
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
        )

    def _power_cycle(self, stack: int) -> CommandStream:
        before = frozenset(self._reachable)
        yield from self._send(PowerOff(stack))
        yield from self._wait(self._now + self._settings.cut_seconds)
        for mac in self._reachable:
            self._excluded_from[mac].add(stack)
        for mac in before - self._reachable:
            self._unreachable_in[mac][stack] += 1
        self._cuts[stack] += 1
        yield from self._send(PowerOn(stack))
        self._on_since[stack] = self._now

    def _recheck(self, macs_by_stack: Mapping[int, frozenset[str]]) -> CommandStream:
        """Cut the first of these stacks whose rasps in doubt all answer, or have had their time."""
        overdue = {
            stack: self._on_since[stack] + self._settings.timeout_seconds for stack in macs_by_stack
        }

        def ready() -> list[int]:
            return [
                stack
                for stack, macs in macs_by_stack.items()
                if macs <= self._reachable or self._now >= overdue[stack]
            ]

        yield from self._wait(min(overdue.values()), lambda: bool(ready()))
        stack = ready()[0]
        if answering := macs_by_stack[stack] & self._reachable:
            yield from self._send(Sync(answering))
            yield from self._power_cycle(stack)
        else:  # a cut would tell nothing
            self._given_up.add(stack)

    def _candidate_stacks(self) -> dict[str, frozenset[int]]:
        """Return the stacks that each rasp may be in: it fell silent there, and never answered."""
        return {
            mac: frozenset(stacks.keys() - self._excluded_from[mac])
            for mac, stacks in self._unreachable_in.items()
        }

    def _members(self) -> dict[int, set[str]]:
        """Return the rasps that may be in this stack alone, by stack."""
        members: dict[int, set[str]] = {stack: set() for stack in self._slot_counts}
        for mac, stacks in self._candidate_stacks().items():
            if len(stacks) == 1:
                members[min(stacks)].add(mac)
        return members

    def _unconfirmed(self, members: Mapping[int, set[str]]) -> set[str]:
        """Return the members that one cut alone speaks for, where that is not enough."""
        lacking = {stack for stack, macs in members.items() if len(macs) < self._slot_counts[stack]}
        return {
            mac
            for stack, macs in members.items()
            for mac in macs
            if self._unreachable_in[mac][stack] == 1
            and (len(macs) != self._slot_counts[stack] or lacking - self._excluded_from[mac])
        }

    def _stacks_to_recheck(self) -> dict[int, frozenset[str]]:
        """Return the stacks to cut again, and the rasps that this could tell something of.

        First come stacks that do not add up, then those of the uncertain, which a cut of the
        former may already have made certain.
        """
        members = self._members()
        open_stacks = [
            stack
            for stack in self._slot_counts
            if self._cuts[stack] < _MAX_CUTS_PER_STACK and stack not in self._given_up
        ]
        candidates = self._candidate_stacks()
        contested = {s for stacks in candidates.values() if len(stacks) > 1 for s in stacks}
        homeless = {mac for mac in self._reachable if not candidates.get(mac)}
        odd = {
            stack: self._macs_to_wait_for(stack)
            for stack in open_stacks
            if stack in contested
            or (
                len(members[stack]) != self._slot_counts[stack]
                and (self._cuts[stack] == 1 or self._may_be_in(stack, homeless))
            )
        }
        uncertain = self._unconfirmed(members)
        return odd or {
            stack: frozenset(members[stack] & uncertain)
            for stack in open_stacks
            if members[stack] & uncertain
        }

    def _may_be_in(self, stack: int, macs: Collection[str]) -> bool:
        return any(stack not in self._excluded_from[mac] for mac in macs)

    def _macs_to_wait_for(self, stack: int) -> frozenset[str]:
        """Return the rasps that another cut of the stack could tell something of.

        One that a single cut has put into another stack is among them, for it may have rebooted
        just then.
        """
        candidates = self._candidate_stacks()

        def is_settled(mac: str) -> bool:
            stacks = candidates.get(mac, frozenset())
            return len(stacks) == 1 and self._unreachable_in[mac][min(stacks)] > 1

        return frozenset(
            mac
            for mac in self._seen_macs
            if stack not in self._excluded_from[mac] and not is_settled(mac)
        )
