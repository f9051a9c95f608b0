"""The alerts that fire now, for pages and API."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from controller.alerts.alert import Alert, Severity
from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.alerts.received import ReceivedAlerts

_WATCHDOG_TIMEOUT = 300.0
"""Five times as long as the watchdog takes to come again: see prometheus/alertmanager.yml."""


@dataclass(frozen=True, slots=True)
class AlertList:
    """The alerts that fire, the worst first, and among equals the newest first.

    `error` says why they may be old, or not all; empty where all is well. `watchdog_seen_at` is when the
    watchdog, which always fires, last came through: seconds since the epoch, None for never.
    """

    alerts: tuple[Alert, ...]
    error: str = ""
    watchdog_seen_at: float | None = None


class FiringAlerts:
    """Asks Alertmanager what fires, and falls back on what it has told.

    Args:
        alertmanager: who knows.
        received: what it has told.
        remedies: returns what became of the remedies, in words, by the alert's episode.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        received: ReceivedAlerts,
        remediation_status: Callable[[Alert], str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._alertmanager = alertmanager
        self._received = received
        self._remediation_status = remediation_status
        self._clock = clock
        self._started_at = clock()

    def current(self) -> AlertList:
        """Return what fires now; where Alertmanager is away, what it has told last."""
        heard_at = self._received.watchdog_seen_at
        try:
            alerts, trouble = self._alertmanager.alerts(), self._watchdog_error(heard_at)
        except AlertmanagerUnavailableError as error:
            alerts, trouble = self._received.firing(), f"{error}: this is what it has told last"
        return AlertList(self._sorted(alerts), trouble, heard_at)

    def _watchdog_error(self, watchdog_seen_at: float | None) -> str:
        seconds = self._clock() - (watchdog_seen_at or self._started_at)
        if seconds < _WATCHDOG_TIMEOUT:
            return ""
        return (
            f"Alertmanager has told the controller nothing for {seconds / 60:.0f} minutes, although"
            " the watchdog always fires: see docs/runbooks/PiRackWatchdog.md"
        )

    def _sorted(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        order = list(Severity)
        return tuple(
            sorted(
                (
                    replace(each, remediation=self._remediation_status(each))
                    for each in alerts
                    if each.is_problem
                ),
                key=lambda each: (order.index(each.severity), -each.started_at, each.fingerprint),
            )
        )
