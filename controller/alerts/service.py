"""The alert components that the API and the pages use."""

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
    """The firing alerts, the webhook, and the secret that Alertmanager sends to it."""

    firing: FiringAlerts
    webhook: WebhookQueue
    secret: str


def build(alertmanager: str, secret_path: Path, remediation: Remediation) -> AlertService:
    """Return the alert service. Its webhook is not started.

    Args:
        alertmanager: `ADDRESS:PORT` of Alertmanager.
        secret_path: File of the shared secret, created if missing.
        remediation: Remediation of received alerts.

    Raises:
        SecretError: If the secret cannot be read or created.
    """
    received = ReceivedAlerts()
    firing = FiringAlerts(Alertmanager(alertmanager), received, remediation.status_text)
    webhook = WebhookQueue(received, remediation.apply)
    return AlertService(firing, webhook, load_or_create(secret_path))
