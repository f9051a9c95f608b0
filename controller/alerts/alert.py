"""An alert, as the controller has it from Alertmanager."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator


class Severity(StrEnum):
    """How bad an alert is, the worst first. `unknown`: a rule that is not PiRack's does not say."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires.

    `started_at` is in seconds since the epoch. `is_silenced`: somebody has silenced it by hand;
    `is_inhibited`: another alert explains it. `remediation` tells in one line for people what the
    controller did about it, or why it did not; empty where there is no remedy for it.
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
        """Its name, such as `PiRackRaspDown`."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        said = self.labels.get("severity")
        return next((each for each in Severity if each == said), Severity.UNKNOWN)

    @property
    def is_problem(self) -> bool:
        """Whether it tells of a fault. Others explain alerts, or show that alerts get through."""
        return self.labels.get("severity") != "none"

    @property
    def occurrence(self) -> tuple[str, float]:
        """What tells this time from any other time that the same alert has fired."""
        return self.fingerprint, self.started_at


def _require_text(value: object) -> object:
    """Refuse a time that is a number, which pydantic would take for seconds."""
    if not isinstance(value, str):
        raise ValueError("not a time, such as 2026-11-24T20:00:00Z")  # noqa: TRY004 - pydantic's
    return value


_Time = Annotated[AwareDatetime, BeforeValidator(_require_text)]


class AlertBody(BaseModel):
    """What Alertmanager says of an alert, both when it is asked and when it tells.

    Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, and
    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: _Time  # noqa: N815 - Alertmanager's own word
