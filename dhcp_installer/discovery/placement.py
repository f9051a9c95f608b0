"""Decision in which stack each rasp is, from the evidence of all cuts.

A rasp becomes silent in each cut of its stack. By accident, it may become silent in a cut of
another stack too. The probability of such accidents decides how many cuts must agree.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

# Decimal logarithms of odds.
_STEADY = 1.7  # one of 50 rasps that were never silent without a reason is faulty
_COMPLETE = 1.3  # one of 20 stacks has a dead rasp, whose place a faulty rasp may take
_REQUIRED_WITH_ALTERNATIVES = 6.0  # if the rasp may be in another stack
_REQUIRED_IN_INCOMPLETE_STACK = 2.0

_MIN_CUTS_OF_INCOMPLETE_STACK = 2


@dataclass
class RaspEvidence:
    """The evidence of all cuts about one rasp.

    Args:
        accident_seconds: Time in which the silence of a rasp agrees with a cut by accident.
        seconds: Time since the first reply of the rasp.
        silence_count: How often the rasp became silent, whatever the reason was.
        excluded: Stacks that the rasp is certainly not in.
        agreed: Number of cuts of each stack in which the rasp became silent.
        rebooted: The part of these cuts after which the rasp sent a DHCP message.
    """

    accident_seconds: float
    seconds: float
    silence_count: int
    excluded: set[int] = field(default_factory=set)
    agreed: dict[int, int] = field(default_factory=dict)
    rebooted: dict[int, int] = field(default_factory=dict)

    def add_silence(self, stack: int, has_rebooted: bool | None) -> None:
        """Add a cut in which the rasp became silent, see `Observations.has_rebooted`."""
        if has_rebooted is False:
            self.excluded.add(stack)
            return
        self.agreed[stack] = self.agreed.get(stack, 0) + 1
        if has_rebooted:
            self.rebooted[stack] = self.rebooted.get(stack, 0) + 1

    @property
    def candidates(self) -> Set[int]:
        """Stacks that the rasp may be in and whose cuts it agreed with."""
        return self.agreed.keys() - self.excluded

    def is_steady(self, stack: int) -> bool:
        """Return whether the rasp never became silent for another reason than cuts of its stack."""
        return self._unexplained_silences(stack) == 0

    def odds(self, stack: int) -> float:
        """Return the decimal logarithm of the odds against accidents in cuts of this stack."""
        unexplained = self._unexplained_silences(stack)
        accident = (unexplained + 1) * self.accident_seconds / max(self.seconds, 1e-9)
        per_cut = -math.log10(min(accident, 0.5))
        return (0.0 if unexplained else _STEADY) + per_cut * self.rebooted.get(stack, 0)

    def _unexplained_silences(self, stack: int) -> int:
        return max(0, self.silence_count - self.agreed.get(stack, 0))


class Placement:
    """The stack of each rasp as far as the evidence suffices.

    Args:
        slot_counts: Number of slots in each stack.
        rasps: Evidence about each rasp, keyed by MAC address.
    """

    def __init__(self, slot_counts: Mapping[int, int], rasps: Mapping[str, RaspEvidence]) -> None:
        self._rasps = rasps
        members: dict[int, set[str]] = {stack: set() for stack in slot_counts}
        indicated: set[int] = set()
        for mac, rasp in rasps.items():
            candidates = rasp.candidates
            indicated |= candidates
            if len(candidates) == 1:
                members[min(candidates)].add(mac)
        # A relay that does not switch hides its rasps, which may seem to be in other stacks.
        self._has_empty_stack = indicated != slot_counts.keys()
        self._complete = {
            stack for stack, count in slot_counts.items() if len(members[stack]) == count
        }
        self._incomplete = slot_counts.keys() - self._complete
        self._exchanges = self._find_exchanges(members)
        self.stacks = {
            stack: frozenset(mac for mac in macs if self._is_certain(mac, stack))
            for stack, macs in members.items()
        }
        self.placed = frozenset().union(*self.stacks.values())

    @property
    def conflicts(self) -> dict[str, frozenset[int]]:
        """Stacks of rasps that became silent in cuts of several stacks."""
        return {
            mac: frozenset(rasp.candidates)
            for mac, rasp in self._rasps.items()
            if len(rasp.candidates) > 1
        }

    def stacks_to_cut(self, mac: str) -> Set[int]:
        """Return the stacks of which a cut may place this rasp or exclude it from the stack."""
        rasp = self._rasps[mac]
        candidates = rasp.candidates
        match len(candidates):
            case 0:
                return (self._incomplete - rasp.excluded) or (self._complete - rasp.excluded)
            case 1:
                alternatives = self._alternatives(mac, min(candidates))
                return alternatives | (candidates if self._has_empty_stack else set()) or candidates
            case _:
                return candidates

    def _is_certain(self, mac: str, stack: int) -> bool:
        rasp, is_complete = self._rasps[mac], stack in self._complete
        if not is_complete and rasp.agreed[stack] < _MIN_CUTS_OF_INCOMPLETE_STACK:
            return False
        if self._has_empty_stack or self._alternatives(mac, stack):
            return rasp.odds(stack) + is_complete * _COMPLETE >= _REQUIRED_WITH_ALTERNATIVES
        return is_complete or rasp.odds(stack) >= _REQUIRED_IN_INCOMPLETE_STACK

    def _alternatives(self, mac: str, stack: int) -> set[int]:
        """Return the stacks that this member of a stack may be in instead."""
        rasp = self._rasps[mac]
        alternatives = self._incomplete - rasp.excluded - {stack}
        if stack in self._complete:
            alternatives |= self._exchanges.get(mac, set())
        return alternatives

    def _find_exchanges(self, members: Mapping[int, Set[str]]) -> dict[str, set[int]]:
        """Return the complete stacks with a rasp that each rasp may be exchanged with.

        Neither of two such rasps is excluded from the stack of the other one, and at least one of
        them has been silent without a reason.
        """
        exchanges: defaultdict[str, set[int]] = defaultdict(set)
        unsteady = [
            (mac, stack)
            for stack in self._complete
            for mac in members[stack]
            if not self._rasps[mac].is_steady(stack)
        ]
        for mac, stack in unsteady:
            for other_stack in self._complete - self._rasps[mac].excluded - {stack}:
                for other in members[other_stack]:
                    if stack not in self._rasps[other].excluded:
                        exchanges[mac].add(other_stack)
                        exchanges[other].add(stack)
        return exchanges
