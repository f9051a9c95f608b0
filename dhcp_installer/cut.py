"""The strategy `cut`: give all stacks power, then cut one at a time and see who falls silent.

What a cut tells is of two kinds. A rasp that answers while a stack has no power is certainly not
in that stack. One that falls silent with it is probably in it: it may as well have rebooted by
itself, or pings were lost. So a stack that does not show its full number, or shows a rasp that
another stack showed too, is cut again when those in doubt are back. A rasp counts as found where
two cuts agree, or one, if that makes the stack full and no stack that lacks a rasp may be its own.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from dhcp_installer.discovery import (
    Discovery,
    Findings,
    PowerOff,
    PowerOn,
    Steps,
    Strategy,
    Sync,
)
from rack.layout import InstallRules

_MOST_CUTS = 3  # of one stack: what is in doubt after these is told, not guessed


class Cut(Strategy):
    """See the module. Rasps must answer pings; costs each of them two boots."""

    def __init__(
        self,
        slots: Mapping[int, int],
        rules: InstallRules | None = None,
    ) -> None:
        super().__init__(slots, rules)
        self._cuts: Counter[int] = Counter()
        self._on_since: dict[int, float] = {}
        self._fell: defaultdict[str, Counter[int]] = defaultdict(Counter)  # in which stack's cuts
        self._not_in: defaultdict[str, set[int]] = defaultdict(set)
        self._given_up: set[int] = set()
        self._boots_until = (
            self._rules.cut_seconds + self._all_on_seconds + self._rules.timeout_seconds
        )

    def run(self) -> Discovery:
        """Discover; see `Strategy.run`."""
        yield from self._all_off()
        yield from self._all_on()
        everybody = sum(self._slots.values())
        self._boots_until = self._now + self._rules.timeout_seconds
        yield from self._wait(self._boots_until, lambda: len(self._answering) >= everybody)
        self._boots_until = self._now
        yield from self._do(Sync(frozenset(self._answering)))
        for stack in self._slots:
            yield from self._cut(stack)
        while doubtful := self._doubtful():
            yield from self._clear_up(doubtful)
        return self.findings

    @property
    def stacks_done(self) -> int:
        """How many stacks were cut."""
        return len(self._cuts)

    @property
    def seconds_left(self) -> float:
        """For how long it will go on if no stack has to be cut again."""
        left = len(self._slots) - len(self._cuts)
        return max(0.0, self._boots_until - self._now) + left * self._rules.cut_seconds

    @property
    def findings(self) -> Findings:
        """What is known so far."""
        members = self._members()
        uncertain = self._uncertain(members)
        stacks = {stack: frozenset(macs - uncertain) for stack, macs in members.items()}
        placed = frozenset().union(*stacks.values())
        conflicts = {mac: stacks for mac, stacks in self._candidates().items() if len(stacks) > 1}
        return Findings(
            stacks,
            self._missing(stacks),
            conflicts,
            frozenset(self._seen - placed - conflicts.keys()),
            frozenset(self._strangers),
        )

    def _cut(self, stack: int) -> Steps:
        before = frozenset(self._answering)
        yield from self._do(PowerOff(stack))
        yield from self._wait(self._now + self._rules.cut_seconds)
        for mac in self._answering:
            self._not_in[mac].add(stack)
        for mac in before - self._answering:
            self._fell[mac][stack] += 1
        self._cuts[stack] += 1
        yield from self._do(PowerOn(stack))
        self._on_since[stack] = self._now

    def _clear_up(self, doubtful: Mapping[int, frozenset[str]]) -> Steps:
        """Cut the first of these stacks whose rasps in doubt all answer, or have had their time."""
        overdue = {stack: self._on_since[stack] + self._rules.timeout_seconds for stack in doubtful}

        def ready() -> list[int]:
            return [
                stack
                for stack, macs in doubtful.items()
                if macs <= self._answering or self._now >= overdue[stack]
            ]

        yield from self._wait(min(overdue.values()), lambda: bool(ready()))
        stack = ready()[0]
        if answering := doubtful[stack] & self._answering:
            yield from self._do(Sync(answering))
            yield from self._cut(stack)
        else:  # a cut would tell nothing
            self._given_up.add(stack)

    def _candidates(self) -> dict[str, frozenset[int]]:
        """Return the stacks that each rasp may be in: it fell silent there, and never answered."""
        return {
            mac: frozenset(stacks.keys() - self._not_in[mac]) for mac, stacks in self._fell.items()
        }

    def _members(self) -> dict[int, set[str]]:
        """Return the rasps that may be in this stack alone, by stack."""
        members: dict[int, set[str]] = {stack: set() for stack in self._slots}
        for mac, stacks in self._candidates().items():
            if len(stacks) == 1:
                members[min(stacks)].add(mac)
        return members

    def _uncertain(self, members: Mapping[int, set[str]]) -> set[str]:
        """Return the members that one cut alone speaks for, where that is not enough."""
        lacking = {stack for stack, macs in members.items() if len(macs) < self._slots[stack]}
        return {
            mac
            for stack, macs in members.items()
            for mac in macs
            if self._fell[mac][stack] == 1
            and (len(macs) != self._slots[stack] or lacking - self._not_in[mac])
        }

    def _doubtful(self) -> dict[int, frozenset[str]]:
        """Return the stacks to cut again, and the rasps that this could tell something of.

        First come stacks that do not add up, then those of the uncertain, which a cut of the
        former may already have made certain.
        """
        members = self._members()
        open_stacks = [
            stack
            for stack in self._slots
            if self._cuts[stack] < _MOST_CUTS and stack not in self._given_up
        ]
        candidates = self._candidates()
        contested = {s for stacks in candidates.values() if len(stacks) > 1 for s in stacks}
        homeless = {mac for mac in self._answering if not candidates.get(mac)}
        odd = {
            stack: self._awaited(stack)
            for stack in open_stacks
            if stack in contested
            or (
                len(members[stack]) != self._slots[stack]
                and (self._cuts[stack] == 1 or self._may_be_in(stack, homeless))
            )
        }
        uncertain = self._uncertain(members)
        return odd or {
            stack: frozenset(members[stack] & uncertain)
            for stack in open_stacks
            if members[stack] & uncertain
        }

    def _may_be_in(self, stack: int, macs: Collection[str]) -> bool:
        return any(stack not in self._not_in[mac] for mac in macs)

    def _awaited(self, stack: int) -> frozenset[str]:
        """Return the rasps that another cut of the stack could tell something of.

        One that a single cut has put into another stack is among them, for it may have rebooted
        just then.
        """
        candidates = self._candidates()

        def is_settled(mac: str) -> bool:
            stacks = candidates.get(mac, frozenset())
            return len(stacks) == 1 and self._fell[mac][min(stacks)] > 1

        return frozenset(
            mac for mac in self._seen if stack not in self._not_in[mac] and not is_settled(mac)
        )
