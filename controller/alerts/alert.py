"""Alerts in the formats of Alertmanager's API and webhook."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator

from controller.state.alert import Alert


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
