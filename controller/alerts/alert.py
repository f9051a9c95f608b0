"""An alert, as Alertmanager's API and webhook describe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator


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
        is_inhibited: Whether another alert inhibits this alert.
        remediation: Submitted remediation order, or the reason why none was submitted. Empty if
            the alert has no remediation.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    started_at: float
    is_silenced: bool = False
    is_inhibited: bool = False
    remediation: str = ""

    @property
    def name(self) -> str:
        """Name, such as `PiRackRaspDown`."""
        return self.labels.get("alertname", "")

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
    def occurrence(self) -> tuple[str, float]:
        """Identifier of this occurrence of the alert."""
        return self.fingerprint, self.started_at


def _require_text(value: object) -> object:
    """Reject numbers, which pydantic would parse as seconds."""
    if not isinstance(value, str):
        raise ValueError("use a time such as 2026-11-24T20:00:00Z")  # noqa: TRY004 - pydantic's
    return value


_Time = Annotated[AwareDatetime, BeforeValidator(_require_text)]


class AlertBody(BaseModel):
    """The fields of an alert that Alertmanager's API and webhook share.

    Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, and
    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: _Time  # noqa: N815 - name in the API


class WebhookAlert(AlertBody):
    """An alert of a webhook notification."""

    status: Literal["firing", "resolved"]

    @property
    def alert(self) -> Alert:
        """The alert without its status."""
        return Alert(self.fingerprint, self.labels, self.annotations, self.startsAt.timestamp())
