"""What Alertmanager has told, as far as it still holds."""

import threading
import time
from collections.abc import Callable, Iterable

from controller.alerts.alert import Alert
from controller.alerts.notification import WebhookAlert

WATCHDOG_ALERT = "PiRackWatchdog"

_MAX_ALERTS = 10_000


class ReceivedAlerts:
    """The alerts that Alertmanager has told of and that are not over. Safe for several threads.

    At most 10000 are kept, those told last.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._firing: dict[str, Alert] = {}
        self._watchdog_seen_at: float | None = None

    def update(self, alerts: Iterable[WebhookAlert]) -> None:
        """Remember what was told."""
        with self._lock:
            for told in alerts:
                known = self._firing.pop(told.fingerprint, None)
                if told.status == "firing":
                    self._firing[told.fingerprint] = told.alert
                elif known and known.started_at > told.startsAt.timestamp():
                    self._firing[told.fingerprint] = known  # it was over, and fires anew
                if told.alert.name == WATCHDOG_ALERT:
                    self._watchdog_seen_at = self._clock()
            for oldest in list(self._firing)[:-_MAX_ALERTS]:
                del self._firing[oldest]

    def firing(self) -> list[Alert]:
        """Return the alerts that fire."""
        with self._lock:
            return list(self._firing.values())

    @property
    def watchdog_seen_at(self) -> float | None:
        """When the watchdog, which always fires, was last told: seconds since the epoch."""
        return self._watchdog_seen_at
