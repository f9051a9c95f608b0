"""The firing alerts that Alertmanager sent to the webhook."""

import threading
import time
from collections.abc import Callable, Iterable

from controller.alerts.alert import WebhookAlert
from controller.state.alert import Alert

WATCHDOG_ALERT = "PiRackWatchdog"

_MAX_ALERTS = 10_000


class ReceivedAlerts:
    """A thread-safe store of the most recently received firing alerts.

    Args:
        clock: Returns seconds since the epoch.
        monotonic_clock: Returns seconds, which do not change when the time is set.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        monotonic_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._watchdog_awaited_since = monotonic_clock()
        self._lock = threading.Lock()
        self._firing: dict[str, Alert] = {}
        self._watchdog_seen_at: float | None = None

    def update(self, alerts: Iterable[WebhookAlert]) -> None:
        """Store firing alerts and remove resolved ones."""
        with self._lock:
            for received in alerts:
                known = self._firing.pop(received.fingerprint, None)
                if received.status == "firing":
                    self._firing[received.fingerprint] = received.alert
                elif known and known.started_at > received.startsAt.timestamp():
                    self._firing[received.fingerprint] = known  # a newer occurrence still fires
                if received.alert.name == WATCHDOG_ALERT:
                    self._watchdog_seen_at = self._clock()
                    self._watchdog_awaited_since = self._monotonic_clock()
            for oldest in list(self._firing)[:-_MAX_ALERTS]:
                del self._firing[oldest]

    def firing(self) -> list[Alert]:
        """Return the firing alerts."""
        with self._lock:
            return list(self._firing.values())

    @property
    def watchdog_seen_at(self) -> float | None:
        """Last arrival of the watchdog, in seconds since the epoch."""
        return self._watchdog_seen_at

    @property
    def seconds_without_watchdog(self) -> float:
        """Seconds since the last arrival of the watchdog, or since the start."""
        return self._monotonic_clock() - self._watchdog_awaited_since
