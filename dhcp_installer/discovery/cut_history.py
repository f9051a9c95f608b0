"""All cuts of a discovery, and what they show together."""

from collections import defaultdict
from collections.abc import Mapping

from dhcp_installer.discovery.observations import Cut, CutEvidence, Observations
from dhcp_installer.discovery.placement import Placement, RaspEvidence
from rack.layout import Outlet

_ACCIDENT_MARGIN = 1.0  # seconds from the last ping before a cut to the cut


class CutHistory:
    """All cuts, in order of time.

    Args:
        rasp_counts: Number of slots that each outlet powers.
        observations: What the rasps sent. The evidence of a cut may change with later observations.
        hold_up_seconds: Maximum time for which a rasp replies without power.
    """

    def __init__(
        self,
        rasp_counts: Mapping[Outlet, int],
        observations: Observations,
        hold_up_seconds: float,
    ) -> None:
        self._rasp_counts = rasp_counts
        self._observations = observations
        self._hold_up_seconds = hold_up_seconds
        self._cuts: list[Cut] = []
        self._final_evidence: list[CutEvidence] = []  # of the first cuts
        self._excluded: defaultdict[str, set[Outlet]] = defaultdict(set)  # by final evidence
        self._rebooted: dict[tuple[str, int], bool] = {}  # keyed by rasp and index of the cut

    def __len__(self) -> int:
        return len(self._cuts)

    def add(self, cut: Cut) -> CutEvidence:
        """Add a cut that is over. Return its evidence so far."""
        self._cuts.append(cut)
        return self._observations.evidence(cut)

    def placement(self, now: float) -> Placement:
        """Return where the rasps are, according to all cuts until now."""
        observations = self._observations
        switching_seconds = max((cut.off_at - cut.commanded_at for cut in self._cuts), default=0.0)
        accident_seconds = self._hold_up_seconds + _ACCIDENT_MARGIN + switching_seconds
        evidence = [self._evidence(index) for index in range(len(self._cuts))]
        rasps = {
            mac: RaspEvidence(
                accident_seconds,
                observations.seconds_observed(mac, now),
                observations.silence_count(mac),
                self._excluded[mac].copy(),
            )
            for mac in observations.macs
        }
        for index, cut in enumerate(self._cuts):
            if index >= len(self._final_evidence):
                for mac in evidence[index].excluded & rasps.keys():
                    rasps[mac].excluded.update(cut.outlets)
            for mac in evidence[index].silent:
                rasps[mac].add_silence(cut.outlets, self._has_rebooted(mac, index))
        return Placement(self._rasp_counts, rasps)

    def _evidence(self, index: int) -> CutEvidence:
        """Return the evidence of a cut. It is final when its rasps may have booted."""
        if index < len(self._final_evidence):
            return self._final_evidence[index]
        cut, observations = self._cuts[index], self._observations
        evidence = observations.evidence(cut)
        if index == len(self._final_evidence) and observations.is_final(cut):
            self._final_evidence.append(evidence)
            for mac in evidence.excluded:
                self._excluded[mac].update(cut.outlets)
        return evidence

    def _has_rebooted(self, mac: str, index: int) -> bool | None:
        """Return whether a rasp that became silent in a cut rebooted, None if still unknown."""
        key = mac, index
        if key not in self._rebooted:
            has_rebooted = self._observations.has_rebooted(mac, self._cuts[index])
            if has_rebooted is None:
                return None
            self._rebooted[key] = has_rebooted
        return self._rebooted[key]
