"""The alerts that fire now, for pages and API."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from controller.alerts.alert import Alert, Severity
from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailable
from controller.alerts.told import Told

_SILENCE_SECONDS = 300.0
"""Five times as long as the watchdog takes to come again: see prometheus/alertmanager.yml."""


@dataclass(frozen=True, slots=True)
class Firing:
    """The alerts that fire, the worst first, and among equals the newest first.

    `trouble` says why they may be old, or not all; empty where all is well. `heard_at` is when the
    watchdog, which always fires, last came through: seconds since the epoch, None for never.
    """

    alerts: tuple[Alert, ...]
    trouble: str = ""
    heard_at: float | None = None


class Alerts:
    """Asks Alertmanager what fires, and falls back on what it has told.

    Args:
        alertmanager: who knows.
        told: what it has told.
        remedies: returns what became of the remedies, in words, by the alert's episode.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        alertmanager: Alertmanager,
        told: Told,
        remedy: Callable[[Alert], str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._alertmanager = alertmanager
        self._told = told
        self._remedy = remedy
        self._clock = clock
        self._since = clock()

    def now(self) -> Firing:
        """Return what fires now; where Alertmanager is away, what it has told last."""
        heard_at = self._told.heard_at
        try:
            alerts, trouble = self._alertmanager.alerts(), self._silence(heard_at)
        except AlertmanagerUnavailable as error:
            alerts, trouble = self._told.firing(), f"{error}: this is what it has told last"
        return Firing(self._shown(alerts), trouble, heard_at)

    def _silence(self, heard_at: float | None) -> str:
        seconds = self._clock() - (heard_at or self._since)
        if seconds < _SILENCE_SECONDS:
            return ""
        return (
            f"Alertmanager has told the controller nothing for {seconds / 60:.0f} minutes, although"
            " the watchdog always fires: see docs/runbooks/PiRackWatchdog.md"
        )

    def _shown(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        order = list(Severity)
        return tuple(
            sorted(
                (replace(each, remedy=self._remedy(each)) for each in alerts if each.is_fault),
                key=lambda each: (order.index(each.severity), -each.began, each.fingerprint),
            )
        )
