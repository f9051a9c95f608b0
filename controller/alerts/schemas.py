"""What the API tells of alerts."""

from typing import Self

from pydantic import Field

from controller.alerts.alert import Alert, Severity
from controller.alerts.firing import AlertList
from controller.web.models import ApiModel, example_config


class AlertResponse(ApiModel):
    """An alert that fires."""

    model_config = example_config(
        fingerprint="c0ffee5ee5ee5ee5",
        name="PiRackRaspDown",
        severity="critical",
        summary="03-2 is down",
        description="03-2 of rack pirack answers neither its exporter's scrape nor a ping.",
        runbook_url="docs/runbooks/PiRackRaspDown.md",
        stack="03",
        rasp="03-2",
        labels={"alertname": "PiRackRaspDown", "rack": "pirack", "severity": "critical"},
        began=1767225600.0,
        is_silenced=False,
        is_inhibited=False,
        remedy="",
    )

    fingerprint: str = Field(description="names the alert, as in Alertmanager")
    name: str
    severity: Severity
    summary: str
    description: str
    runbook_url: str = Field(description="its place in PiRack's source; empty if it has none")
    stack: str | None = Field(description="the stack's number as labels have it, `03`")
    rasp: str | None = Field(description="the rasp's name")
    labels: dict[str, str]
    started_at: float = Field(description="since the epoch")
    is_silenced: bool = Field(description="whether somebody has silenced it by hand")
    is_inhibited: bool = Field(description="whether another alert explains it")
    remediation: str = Field(
        description="what the controller did about it, or why not; empty where it has no remedy"
    )

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Return what the API says of an alert."""
        return cls(
            fingerprint=alert.fingerprint,
            name=alert.name,
            severity=alert.severity,
            summary=alert.annotations.get("summary", ""),
            description=alert.annotations.get("description", ""),
            runbook_url=alert.annotations.get("runbook_url", ""),
            stack=alert.labels.get("stack"),
            rasp=alert.labels.get("rasp"),
            labels=dict(alert.labels),
            started_at=alert.started_at,
            is_silenced=alert.is_silenced,
            is_inhibited=alert.is_inhibited,
            remediation=alert.remediation,
        )


class AlertsResponse(ApiModel):
    """The alerts that fire, the worst first."""

    alerts: list[AlertResponse]
    error: str = Field(description="why they may be old, or not all; empty where all is well")
    watchdog_seen_at: float | None = Field(
        description="when the watchdog, which always fires, last came through from Alertmanager"
    )

    @classmethod
    def of(cls, firing: AlertList) -> Self:
        """Return what the API says of the alerts that fire."""
        return cls(
            alerts=[AlertResponse.of(alert) for alert in firing.alerts],
            error=firing.error,
            watchdog_seen_at=firing.watchdog_seen_at,
        )


class AcceptedResponse(ApiModel):
    """A message of Alertmanager's was taken."""

    alerts: int = Field(description="how many it told of")
