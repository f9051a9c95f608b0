"""Queue Alertmanager notifications and process them in a background thread."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from controller.alerts.alert import WebhookAlert
from controller.alerts.received import ReceivedAlerts
from controller.errors import AlertQueueFullError
from controller.state.alert import Alert

_MAX_QUEUED = 1000
_log = logging.getLogger(__name__)


class WebhookQueue:
    """Queue of notifications and its thread, which runs from `start` to `close`.

    Args:
        received: Store of the received alerts.
        remediate: Called with the firing alerts of each notification. May block.
    """

    def __init__(
        self, received: ReceivedAlerts, remediate: Callable[[Sequence[Alert]], None]
    ) -> None:
        self._received = received
        self._remediate = remediate
        self._queue: queue.Queue[Sequence[WebhookAlert] | None] = queue.Queue(_MAX_QUEUED)
        self._thread = threading.Thread(target=self._process, name="alerts")

    def start(self) -> None:
        """Start processing notifications."""
        self._thread.start()

    def close(self) -> None:
        """Discard queued notifications. Wait for the notification in progress."""
        with self._queue.mutex:
            self._queue.queue.clear()
        self._queue.put(None)
        self._thread.join()

    def enqueue(self, alerts: Sequence[WebhookAlert]) -> None:
        """Queue the alerts of a notification.

        Raises:
            AlertQueueFullError: If the queue is full. Alertmanager sends the notification again.
        """
        try:
            self._queue.put_nowait(alerts)
        except queue.Full as error:
            raise AlertQueueFullError(
                "too many notifications are queued: send this notification again later"
            ) from error

    def _process(self) -> None:
        while (alerts := self._queue.get()) is not None:
            self._received.update(alerts)
            firing = [received.alert for received in alerts if received.status == "firing"]
            try:
                self._remediate(firing)
            except Exception:  # noqa: BLE001 - a failure must not stop the thread
                _log.exception("remediation of %s failed", [alert.name for alert in firing])
