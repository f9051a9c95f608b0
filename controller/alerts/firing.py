"""List the firing alerts and the issues for the pages and the API."""

from collections.abc import Callable
from dataclasses import replace

from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.received import ReceivedAlerts
from controller.cache import SingleFlightCache
from controller.state.alert import Alert
from controller.state.issues import AlertList, build_alert_list
from rack.layout import Rack

_WATCHDOG_TIMEOUT = 300.0
"""Five times the watchdog's repeat interval in prometheus/alertmanager.yml."""

_MAX_AGE_ON_PAGES = 2.0
"""Seconds. Every page displays the number of issues, and the rack page polls every 0.6 s."""


class FiringAlerts:
    """Reader of the firing alerts.

    Args:
        alertmanager: Client of Alertmanager.
        received: Alerts received by webhook, used if Alertmanager is unavailable.
        remediation_status: Returns the status of an alert's remediation.
        rack: Layout of the rack.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        received: ReceivedAlerts,
        remediation_status: Callable[[Alert], str],
        rack: Rack,
    ) -> None:
        self._alertmanager = alertmanager
        self._received = received
        self._remediation_status = remediation_status
        self._rack = rack
        self._cache = SingleFlightCache(self._read, max_age=_MAX_AGE_ON_PAGES)

    def current(self) -> AlertList:
        """Return the firing alerts now. Alertmanager is asked once for concurrent callers."""
        return self._cache.get(max_age=0.0)

    def recent(self) -> AlertList:
        """Return the firing alerts as they were within the last two seconds."""
        return self._cache.get()

    def _read(self) -> AlertList:
        watchdog_seen_at = self._received.watchdog_seen_at
        try:
            alerts, error_text = self._alertmanager.alerts(), self._watchdog_error()
        except AlertmanagerUnavailableError as error:
            alerts, error_text = self._received.firing(), f"{error}: the list may be outdated"
        with_remediation = [
            replace(alert, remediation=self._remediation_status(alert)) for alert in alerts
        ]
        return build_alert_list(with_remediation, self._rack, error_text, watchdog_seen_at)

    def _watchdog_error(self) -> str:
        seconds = self._received.seconds_without_watchdog
        if seconds < _WATCHDOG_TIMEOUT:
            return ""
        return (
            f"Alertmanager has not sent the watchdog alert for {seconds / 60:.0f} minutes:"
            " see /runbooks/PiRackWatchdog"
        )
