"""The alert components that the API and the pages use."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.remediation import Remediation
from controller.alerts.secret import basic_authorization
from controller.alerts.webhook import WebhookQueue
from controller.state.model import RackState
from rack.layout import Rack


@dataclass(frozen=True, slots=True)
class AlertService:
    """The firing alerts, the webhook, and the secret that Alertmanager sends to it."""

    firing: FiringAlerts
    webhook: WebhookQueue
    secret: str


def build(
    alertmanager: str,
    secret: str,
    remediation: Remediation,
    rack: Rack,
    state: Callable[[], RackState],
) -> AlertService:
    """Return the alert service. Its webhook is not started.

    Args:
        alertmanager: `ADDRESS:PORT` of Alertmanager.
        secret: Secret that the controller and Alertmanager share.
        remediation: Remediation of received alerts.
        rack: Layout of the rack.
        state: Returns the state of the rack.
    """
    received = ReceivedAlerts()
    client = Alertmanager(alertmanager, basic_authorization(secret))
    firing = FiringAlerts(client, received, remediation.status_text, rack, state)
    return AlertService(firing, WebhookQueue(received, remediation.apply), secret)
