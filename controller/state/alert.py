"""A firing alert."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of an alert, most severe first. `unknown`: PiRack does not contain the rule."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Alert:
    """A firing alert.

    Attributes:
        started_at: Start of the alert in seconds since the epoch.
        is_silenced: Whether a user silenced the alert.
        inhibited_by: Fingerprints of the alerts that inhibit this alert.
        remediation: Submitted remediation order, or the reason why none was submitted. Empty if
            the alert has no remediation.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    started_at: float
    is_silenced: bool = False
    inhibited_by: tuple[str, ...] = ()
    remediation: str = ""

    @property
    def name(self) -> str:
        """Name, such as `PiRackRaspDown`."""
        return self.labels.get("alertname", "")

    @property
    def summary(self) -> str:
        """One sentence for people, such as `03-2 is down`."""
        annotations = self.annotations
        return annotations.get("summary") or annotations.get("description") or self.name

    @property
    def description(self) -> str:
        """What the alert means, or "" if the summary says it."""
        return self.annotations.get("description", "") if self.annotations.get("summary") else ""

    @property
    def severity(self) -> Severity:
        """Severity of the alert."""
        label = self.labels.get("severity")
        return next((severity for severity in Severity if severity == label), Severity.UNKNOWN)

    @property
    def is_problem(self) -> bool:
        """Whether the alert reports a problem. The watchdog and inhibiting alerts do not."""
        return self.labels.get("severity") != "none"

    @property
    def is_inhibited(self) -> bool:
        """Whether another alert inhibits this alert."""
        return bool(self.inhibited_by)

    @property
    def occurrence(self) -> tuple[str, float]:
        """Identifier of this occurrence of the alert."""
        return self.fingerprint, self.started_at
