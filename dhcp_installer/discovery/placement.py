"""Decision at which outlet each rasp is, from the evidence of all cuts.

A rasp becomes silent in each cut of its outlet. By accident, it may become silent in a cut of
another outlet too. The probability of such accidents decides how many cuts must agree.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from dhcp_installer import SlotEvidence
from dhcp_installer.discovery.groups import evidence_of_groups
from rack.layout import Outlet

# Decimal logarithms of odds.
_STEADY = 1.7  # one of 50 rasps that were never silent without a reason is faulty
_COMPLETE = 1.3  # one of 20 outlets has a dead rasp, whose place a faulty rasp may take
_SWITCHES = 1.0  # one of 10 outlets of a slot at which no rasp is found does not switch
_REQUIRED_WITH_ALTERNATIVES = 6.0  # if the rasp may be at another outlet
_REQUIRED_IN_INCOMPLETE_STACK = 2.0

_MIN_CUTS_OF_INCOMPLETE_STACK = 2


@dataclass
class RaspEvidence:
    """The evidence of all cuts about one rasp.

    Args:
        accident_seconds: Time in which the silence of a rasp agrees with a cut by accident.
        seconds: Time since the first reply of the rasp.
        silence_count: How often the rasp became silent, whatever the reason was.
        excluded: Outlets that the rasp is certainly not at.
        agreed: Number of cuts of each outlet in which the rasp became silent.
        rebooted: Outlets of each cut after which the rasp sent a DHCP message before it replied.
        groups: The different groups of outlets whose cuts agreed, for each of their outlets.
    """

    accident_seconds: float
    seconds: float
    silence_count: int
    excluded: set[Outlet] = field(default_factory=set)
    agreed: dict[Outlet, int] = field(default_factory=dict)
    rebooted: list[tuple[Outlet, ...]] = field(default_factory=list)
    groups: dict[Outlet, set[tuple[Outlet, ...]]] = field(default_factory=dict)

    def add_silence(self, outlets: tuple[Outlet, ...], has_rebooted: bool | None) -> None:
        """Add a cut in which the rasp became silent, see `Observations.has_rebooted`."""
        if has_rebooted is False:
            self.excluded.update(outlets)
            return
        for outlet in outlets:
            self.agreed[outlet] = self.agreed.get(outlet, 0) + 1
            self.groups.setdefault(outlet, set()).add(outlets)
        if has_rebooted:
            self.rebooted.append(outlets)

    @property
    def candidates(self) -> Set[Outlet]:
        """Outlets that the rasp may be at, and whose cuts it agreed with.

        The rasp agreed with a cut of the outlet alone, or with cuts of two groups that have only
        this outlet in common.
        """
        return {
            outlet
            for outlet, groups in self.groups.items()
            if outlet not in self.excluded and (len(groups) > 1 or (outlet,) in groups)
        }

    def is_steady(self, outlet: Outlet) -> bool:
        """Return whether the rasp never became silent without a reason, if it is at this outlet."""
        return self._unexplained_silences(outlet) == 0

    def odds(self, outlet: Outlet, alternative: Outlet | None = None) -> float:
        """Return the decimal logarithm of the odds against accidents in cuts of this outlet.

        A cut that includes an alternative outlet too does not show at which of both the rasp is.
        """
        cut_count = sum(outlet in cut and alternative not in cut for cut in self.rebooted)
        unexplained = self._unexplained_silences(outlet)
        accident = (unexplained + 1) * self.accident_seconds / max(self.seconds, 1e-9)
        per_cut = -math.log10(min(accident, 0.5))
        return (0.0 if unexplained else _STEADY) + per_cut * cut_count

    def _unexplained_silences(self, outlet: Outlet) -> int:
        return max(0, self.silence_count - self.agreed.get(outlet, 0))


class Placement:
    """The outlet of each rasp as far as the evidence suffices.

    Args:
        rasp_counts: Number of slots that each outlet powers.
        rasps: Evidence about each rasp, keyed by MAC address.
    """

    def __init__(
        self, rasp_counts: Mapping[Outlet, int], rasps: Mapping[str, RaspEvidence]
    ) -> None:
        self._rasps = rasps
        self._candidates = {mac: rasp.candidates for mac, rasp in rasps.items()}
        members: dict[Outlet, set[str]] = {outlet: set() for outlet in rasp_counts}
        for mac, candidates in self._candidates.items():
            if len(candidates) == 1:
                members[next(iter(candidates))].add(mac)
        # An outlet that does not switch hides its rasps, which may seem to be at other outlets.
        empty = rasp_counts.keys() - set().union(*self._candidates.values())
        self._has_empty_outlet = bool(empty)
        self._has_empty_stack = any(outlet.slot is None for outlet in empty)
        own = [outlet for outlet in rasp_counts if outlet.slot is not None]
        empty_count = sum(outlet.slot is not None for outlet in empty)
        # At an outlet of a slot, a faulty rasp can only take the place of a missing one.
        self._vacancy_odds = min(_COMPLETE, math.log10(max(1, len(own)) / (empty_count + 1)))
        self._complete = {
            outlet for outlet, count in rasp_counts.items() if len(members[outlet]) == count
        }
        self._incomplete = rasp_counts.keys() - self._complete
        self._exchanges = self._find_exchanges(members)
        self._overfull = {
            mac: frozenset({outlet})
            for outlet, macs in members.items()
            for mac in macs
            if outlet.slot is not None and len(macs) > 1
        }
        self.outlets = {
            outlet: frozenset(mac for mac in macs if self._is_certain(mac, outlet))
            for outlet, macs in members.items()
        }
        self.placed = frozenset().union(*self.outlets.values())

    @property
    def conflicts(self) -> dict[str, frozenset[Outlet]]:
        """Outlets of rasps that became silent in cuts of several outlets.

        Several rasps at the outlet of one slot are conflicts too.
        """
        several = {
            mac: frozenset(candidates)
            for mac, candidates in self._candidates.items()
            if len(candidates) > 1
        }
        return several | self._overfull

    @property
    def slot_evidence(self) -> dict[str, SlotEvidence]:
        """How each rasp was found that is placed at the outlet of a slot."""
        return {
            mac: evidence_of_groups(outlet, self._rasps[mac].groups[outlet])
            for outlet, macs in self.outlets.items()
            for mac in macs
            if outlet.slot is not None
        }

    def outlets_to_cut(self, mac: str) -> Set[Outlet]:
        """Return the outlets of which a cut may place this rasp or exclude it from the outlet."""
        rasp, candidates = self._rasps[mac], self._candidates[mac]
        match len(candidates):
            case 0:
                return (self._incomplete - rasp.excluded) or (self._complete - rasp.excluded)
            case 1:
                (outlet,) = candidates
                alternatives = self._alternatives(mac, outlet)
                if outlet.slot is not None:
                    # While only this outlet is off, all other rasps reply and are excluded from it.
                    return (alternatives & self._incomplete) | candidates
                return alternatives | (candidates if self._has_empty_stack else set()) or candidates
            case _:
                return candidates

    def _is_certain(self, mac: str, outlet: Outlet) -> bool:
        rasp, is_complete = self._rasps[mac], outlet in self._complete
        if outlet.slot is not None:
            return is_complete and self._is_certain_in_slot(mac, outlet)
        if not is_complete and rasp.agreed[outlet] < _MIN_CUTS_OF_INCOMPLETE_STACK:
            return False
        if self._has_empty_stack or self._alternatives(mac, outlet):
            return rasp.odds(outlet) + is_complete * _COMPLETE >= _REQUIRED_WITH_ALTERNATIVES
        return is_complete or rasp.odds(outlet) >= _REQUIRED_IN_INCOMPLETE_STACK

    def _is_certain_in_slot(self, mac: str, outlet: Outlet) -> bool:
        rasp, alternatives = self._rasps[mac], self._alternatives(mac, outlet)
        if alternatives:
            odds = min(rasp.odds(outlet, alternative) for alternative in alternatives)
            return odds + self._vacancy_odds >= _REQUIRED_WITH_ALTERNATIVES
        if not self._has_empty_outlet:
            return True
        odds = rasp.odds(outlet) + self._vacancy_odds + _SWITCHES
        return odds >= _REQUIRED_WITH_ALTERNATIVES

    def _alternatives(self, mac: str, outlet: Outlet) -> set[Outlet]:
        """Return the outlets that the rasp of this outlet may be at instead."""
        rasp = self._rasps[mac]
        alternatives = self._incomplete - rasp.excluded - {outlet}
        if outlet in self._complete:
            alternatives |= self._exchanges.get(mac, set())
        return alternatives

    def _find_exchanges(self, members: Mapping[Outlet, Set[str]]) -> dict[str, set[Outlet]]:
        """Return the complete outlets with a rasp that each rasp may be exchanged with.

        Neither of two such rasps is excluded from the outlet of the other one, and at least one of
        them has been silent without a reason.
        """
        exchanges: defaultdict[str, set[Outlet]] = defaultdict(set)
        unsteady = [
            (mac, outlet)
            for outlet in self._complete
            for mac in members[outlet]
            if not self._rasps[mac].is_steady(outlet)
        ]
        for mac, outlet in unsteady:
            for other_outlet in self._complete - self._rasps[mac].excluded - {outlet}:
                for other in members[other_outlet]:
                    if outlet not in self._rasps[other].excluded:
                        exchanges[mac].add(other_outlet)
                        exchanges[other].add(outlet)
        return exchanges
