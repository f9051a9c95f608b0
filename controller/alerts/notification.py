"""What Alertmanager tells by its webhook.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from typing import Literal

from pydantic import ConfigDict, Field

from controller.alerts.alert import Alert, AlertBody
from controller.web.models import ApiModel


class WebhookAlert(AlertBody):
    """An alert, and whether it fires or is over."""

    status: Literal["firing", "resolved"]

    @property
    def alert(self) -> Alert:
        """The alert itself."""
        return Alert(self.fingerprint, self.labels, self.annotations, self.startsAt.timestamp())


class Notification(ApiModel):
    """A message about the alerts of one group. Fields that are not named here do not matter."""

    model_config = ConfigDict(extra="ignore")

    version: Literal["4"] = Field(description="of the message's format")
    alerts: list[WebhookAlert] = Field(max_length=100)  # alertmanager.yml sends 50 at most
