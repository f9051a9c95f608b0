"""All that the controller has to do with alerts, in one hand."""

from dataclasses import dataclass
from pathlib import Path

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.alerts import Alerts
from controller.alerts.remedies import Remedies
from controller.alerts.secret import load_or_make
from controller.alerts.told import Told
from controller.alerts.webhook import Webhook


@dataclass(frozen=True, slots=True)
class AlertDesk:
    """Where alerts are looked up (`alerts`), and where they come in (`webhook`).

    `secret` is what Alertmanager says to be let in.
    """

    alerts: Alerts
    webhook: Webhook
    secret: str


def make(alertmanager: str, secret: Path, remedies: Remedies) -> AlertDesk:
    """Return a desk; its webhook is still to be started.

    Args:
        alertmanager: its `ADDRESS:PORT`.
        secret: the file of the shared secret, which is made if it is not there.
        remedies: what is done about alerts.

    Raises:
        SecretError: there is no secret in the file, and none can be made.
    """
    told = Told()
    alerts = Alerts(Alertmanager(alertmanager), told, remedies.said)
    return AlertDesk(alerts, Webhook(told, remedies.try_all), load_or_make(secret))
