"""All that the controller has to do with alerts, in one hand."""

from dataclasses import dataclass
from pathlib import Path

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.remediation import Remediation
from controller.alerts.secret import load_or_create
from controller.alerts.webhook import WebhookQueue


@dataclass(frozen=True, slots=True)
class AlertService:
    """Where alerts are looked up (`firing`), and where they come in (`webhook`).

    `secret` is what Alertmanager says to be let in.
    """

    firing: FiringAlerts
    webhook: WebhookQueue
    secret: str


def build(alertmanager: str, secret_path: Path, remediation: Remediation) -> AlertService:
    """Return a desk; its webhook is still to be started.

    Args:
        alertmanager: its `ADDRESS:PORT`.
        secret_path: the file of the shared secret, which is made if it is not there.
        remediation: what is done about alerts.

    Raises:
        SecretError: there is no secret in the file, and none can be made.
    """
    told = ReceivedAlerts()
    alerts = FiringAlerts(Alertmanager(alertmanager), told, remediation.status_text)
    return AlertService(alerts, WebhookQueue(told, remediation.apply), load_or_create(secret_path))
