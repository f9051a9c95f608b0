"""API models of alerts, and of Alertmanager's webhook."""

from typing import Literal, Self

from pydantic import ConfigDict, Field

from controller.alerts.alert import WebhookAlert
from controller.state.alert import Alert, Severity
from controller.state.issues import AlertList
from controller.web.models import ApiModel, example_config
from controller.web.rack_schemas import IssueResponse

MAX_ALERTS = 100
"""Maximum number of alerts in a notification, as in prometheus/alertmanager.yml."""


class AlertResponse(ApiModel):
    """A firing alert."""

    model_config = example_config(
        fingerprint="c0ffee5ee5ee5ee5",
        name="PiRackRaspDown",
        severity="critical",
        summary="03-2 is down",
        description="03-2 of rack pirack answers neither its exporter's scrape nor a ping.",
        runbook_url="http://127.0.0.1:8080/runbooks/PiRackRaspDown",
        stack="03",
        rasp="03-2",
        labels={"alertname": "PiRackRaspDown", "rack": "pirack", "severity": "critical"},
        started_at=1767225600.0,
        is_silenced=False,
        is_inhibited=False,
        remediation="",
    )

    fingerprint: str = Field(description="identifier in Alertmanager")
    name: str
    severity: Severity
    summary: str
    description: str
    runbook_url: str = Field(description="URL of the runbook; empty without a runbook")
    stack: str | None = Field(description="number of the stack as in the labels, such as `03`")
    rasp: str | None = Field(description="name of the rasp")
    labels: dict[str, str]
    started_at: float = Field(description="since the epoch")
    is_silenced: bool = Field(description="whether a user silenced the alert")
    is_inhibited: bool = Field(description="whether another alert inhibits this alert")
    remediation: str = Field(
        description="submitted remediation order, or the reason why none was submitted; empty if"
        " the alert has no remediation"
    )

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """Return the response for an alert."""
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
    """The firing alerts, most severe first."""

    alerts: list[AlertResponse]
    issues: list[IssueResponse] = Field(
        description="alerts that no other alert explains, without silenced alerts and those of"
        " severity `info`"
    )
    error: str = Field(
        description="reason why the list may be outdated or incomplete; otherwise empty"
    )
    watchdog_seen_at: float | None = Field(
        description="last arrival of the watchdog alert, which always fires, since the epoch"
    )

    @classmethod
    def of(cls, firing: AlertList) -> Self:
        """Return the response for the firing alerts."""
        return cls(
            alerts=[AlertResponse.of(alert) for alert in firing.alerts],
            issues=[IssueResponse.of(issue) for issue in firing.issues],
            error=firing.error,
            watchdog_seen_at=firing.watchdog_seen_at,
        )


class Notification(ApiModel):
    """A notification of Alertmanager about one group of alerts. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"] = Field(description="version of the format")
    alerts: list[WebhookAlert] = Field(max_length=MAX_ALERTS)


class AcceptedResponse(ApiModel):
    """Response to an accepted notification."""

    alerts: int = Field(description="number of alerts in the notification")
