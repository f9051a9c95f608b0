"""List the firing alerts and the issues for the pages and the API."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.received import WATCHDOG_ALERT, ReceivedAlerts
from controller.cache import SingleFlightCache
from controller.state.alert import Alert
from controller.state.issues import AlertList, build_alert_list
from controller.state.model import RackState
from rack.errors import DatabaseError
from rack.layout import Rack

_WATCHDOG_TIMEOUT = 300.0
"""Five times the watchdog's repeat interval in prometheus/alertmanager.yml."""

_SEE_RUNBOOK = f"see /runbooks/{WATCHDOG_ALERT}"

_MAX_AGE_ON_PAGES = 2.0
"""Seconds. Every page displays the number of issues, and the rack page polls every 0.6 s."""


class FiringAlerts:
    """Reader of the firing alerts.

    Args:
        alertmanager: Client of Alertmanager.
        received: Alerts received by webhook, used if Alertmanager is unavailable.
        remediation_status: Returns the status of an alert's remediation.
        rack: Layout of the rack.
        state: Returns the state of the rack, whose error is that of Prometheus.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        received: ReceivedAlerts,
        remediation_status: Callable[[Alert], str],
        rack: Rack,
        state: Callable[[], RackState],
    ) -> None:
        self._alertmanager = alertmanager
        self._received = received
        self._remediation_status = remediation_status
        self._rack = rack
        self._state = state
        self._cache = SingleFlightCache(self._read, max_age=_MAX_AGE_ON_PAGES)

    def current(self) -> AlertList:
        """Return the firing alerts now. Alertmanager is asked once for concurrent callers."""
        return self._with_prometheus_error(self._cache.get(max_age=0.0))

    def recent(self) -> AlertList:
        """Return the firing alerts as they were within the last two seconds."""
        return self._with_prometheus_error(self._cache.get())

    def _with_prometheus_error(self, alert_list: AlertList) -> AlertList:
        # It is not cached, so that no page shows unknown rasp states and "no issues".
        try:
            error = self._state().error
        except DatabaseError as database_error:  # its error page has the number of issues, too
            error = str(database_error)
        reasons = [reason for reason in (error, alert_list.error) if reason]
        return replace(alert_list, error="; ".join(reasons))

    def _read(self) -> AlertList:
        received, unavailable = self._received, ""
        try:
            alerts = self._alertmanager.alerts()
        except AlertmanagerUnavailableError as error:
            alerts, unavailable = received.firing(), str(error)
        return build_alert_list(
            [replace(alert, remediation=self._remediation_status(alert)) for alert in alerts],
            self._rack,
            outdated_reason(alerts, unavailable, received.seconds_without_watchdog),
            received.watchdog_seen_at,
        )


def outdated_reason(
    alerts: Iterable[Alert], alertmanager_error: str, seconds_without_watchdog: float
) -> str:
    """Return the reason why alerts of Alertmanager may be outdated or incomplete, or "".

    Args:
        alerts: The alerts.
        alertmanager_error: Reason why Alertmanager cannot be queried, or "".
        seconds_without_watchdog: Seconds since Alertmanager sent the watchdog alert.
    """
    if alertmanager_error:
        return f"{alertmanager_error}: the list may be outdated"
    if WATCHDOG_ALERT not in {alert.name for alert in alerts}:
        # Alertmanager was restarted, or Prometheus no longer sends alerts and all have expired.
        return f"Alertmanager does not have the watchdog alert of Prometheus: {_SEE_RUNBOOK}"
    if seconds_without_watchdog >= _WATCHDOG_TIMEOUT:
        minutes = f"{seconds_without_watchdog / 60:.0f} minutes"
        return f"Alertmanager has not sent the watchdog alert for {minutes}: {_SEE_RUNBOOK}"
    return ""
