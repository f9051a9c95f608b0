"""List the firing alerts for the pages and the API."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from controller.alerts.alert import Alert, Severity
from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.received import ReceivedAlerts

_WATCHDOG_TIMEOUT = 300.0
"""Five times the watchdog's repeat interval in prometheus/alertmanager.yml."""

MAX_LISTED_CHARS = 200_000
"""Maximum length of all labels and annotations in a list. Alerts beyond it are only counted."""


@dataclass(frozen=True, slots=True)
class AlertList:
    """The firing alerts, most severe first, then newest first.

    Attributes:
        error: Reason why the list may be outdated or incomplete, or "".
        watchdog_seen_at: Last arrival of the watchdog alert, which always fires, in seconds since
            the epoch. None if the alert never arrived.
    """

    alerts: tuple[Alert, ...]
    error: str = ""
    watchdog_seen_at: float | None = None


class FiringAlerts:
    """Reader of the firing alerts.

    Args:
        alertmanager: Client of Alertmanager.
        received: Alerts received by webhook, used if Alertmanager is unavailable.
        remediation_status: Returns the status of an alert's remediation.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        received: ReceivedAlerts,
        remediation_status: Callable[[Alert], str],
    ) -> None:
        self._alertmanager = alertmanager
        self._received = received
        self._remediation_status = remediation_status

    def current(self) -> AlertList:
        """Return the firing alerts."""
        watchdog_seen_at = self._received.watchdog_seen_at
        try:
            alerts, error_text = self._alertmanager.alerts(), self._watchdog_error()
        except AlertmanagerUnavailableError as error:
            alerts, error_text = self._received.firing(), f"{error}: the list may be outdated"
        in_order = self._sorted(alerts)
        listed = tuple(_within_limit(in_order))
        if omitted := len(in_order) - len(listed):
            count = f"{omitted} further alerts are not listed: Alertmanager lists all alerts"
            error_text = f"{error_text}; {count}" if error_text else count
        return AlertList(listed, error_text, watchdog_seen_at)

    def _watchdog_error(self) -> str:
        seconds = self._received.seconds_without_watchdog
        if seconds < _WATCHDOG_TIMEOUT:
            return ""
        return (
            f"Alertmanager has not sent the watchdog alert for {seconds / 60:.0f} minutes:"
            " see docs/runbooks/PiRackWatchdog.md"
        )

    def _sorted(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        severities = list(Severity)
        return tuple(
            sorted(
                (
                    replace(alert, remediation=self._remediation_status(alert))
                    for alert in alerts
                    if alert.is_problem
                ),
                key=lambda alert: (
                    severities.index(alert.severity),
                    -alert.started_at,
                    alert.fingerprint,
                ),
            )
        )


def _within_limit(alerts: Iterable[Alert]) -> Iterator[Alert]:
    chars = 0
    for alert in alerts:
        texts = [*alert.labels.items(), *alert.annotations.items()]
        chars += sum(len(name) + len(value) for name, value in texts)
        if chars > MAX_LISTED_CHARS:
            return
        yield alert
