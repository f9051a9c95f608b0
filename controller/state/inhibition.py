"""Which alert explains another alert."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.state.alert import Alert


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """A rule of prometheus/alertmanager.yml: a source explains targets with equal labels.

    Attributes:
        source: Regular expression of the names of sources.
        target: Regular expression of the names of targets.
    """

    source: str
    target: str
    equal: tuple[str, ...]

    def key(self, alert: Alert) -> tuple["InhibitRule", tuple[str, ...]]:
        """Return what a source and its targets have in common."""
        return self, tuple(alert.labels.get(label, "") for label in self.equal)


INHIBIT_RULES = (
    InhibitRule(
        "PiRackStackPoweredOff|PiRackStackBusy",
        "PiRackRasp.*|PiRackStackDown",
        ("rack", "stack"),
    ),
    InhibitRule("PiRackStackBusy", "PiRackStackPowerMismatch", ("rack", "stack")),
    InhibitRule("PiRackOutletPoweredOff", "PiRackRasp.*", ("rack", "stack", "slot")),
    InhibitRule("PiRackStackDown", "PiRackRasp.*", ("rack", "stack")),
    InhibitRule("PiRackRaspResponseRejected", "PiRackRaspExporterDown", ("rack", "rasp")),
    InhibitRule("PiRackRaspVeryHot", "PiRackRaspHot", ("rack", "rasp")),
    InhibitRule("PiRackRaspDiskNearlyFull", "PiRackRaspDiskFilling", ("rack", "rasp")),
)
"""The rules of prometheus/alertmanager.yml, for alerts that it has not marked as inhibited.

These are the alerts of its webhook, which the controller lists while Alertmanager is unavailable.
"""


def find_causes(alerts: Sequence[Alert]) -> Mapping[str, str]:
    """Return the fingerprint of the first cause of each alert, keyed by the alert's fingerprint.

    An alert that no other alert explains is its own cause. The cause of an alert that Alertmanager
    marks as inhibited may be missing in `alerts`.
    """
    parents = _parents(alerts)
    return {alert.fingerprint: _root(alert.fingerprint, parents) for alert in alerts}


def _parents(alerts: Sequence[Alert]) -> Mapping[str, str]:
    """Return the fingerprint of the alert that explains an alert, for those that have one."""
    fingerprints = {alert.fingerprint for alert in alerts}
    sources = {
        rule.key(alert): alert.fingerprint
        for alert in alerts
        for rule in INHIBIT_RULES
        if re.fullmatch(rule.source, alert.name)
    }
    parents = {}
    for alert in alerts:
        marked = [each for each in alert.inhibited_by if each in fingerprints]
        implied = [
            sources[rule.key(alert)]
            for rule in INHIBIT_RULES
            if re.fullmatch(rule.target, alert.name) and rule.key(alert) in sources
        ]
        if parent := next(iter((*marked, *alert.inhibited_by, *implied)), None):
            parents[alert.fingerprint] = parent
    return parents


def _root(fingerprint: str, parents: Mapping[str, str]) -> str:
    seen: set[str] = set()
    while fingerprint in parents and fingerprint not in seen:
        seen.add(fingerprint)
        fingerprint = parents[fingerprint]
    return fingerprint
