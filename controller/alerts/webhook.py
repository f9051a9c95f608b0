"""What Alertmanager tells is taken at once, and seen to in a thread of its own."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from controller.alerts.alert import Alert
from controller.alerts.notification import Notification
from controller.alerts.received import ReceivedAlerts
from controller.errors import AlertQueueFullError

_MAX_QUEUED = 1000
_log = logging.getLogger(__name__)


class WebhookQueue:
    """Remembers what Alertmanager tells, and has remedies tried. It runs from `start` to `close`.

    Args:
        received: remembers.
        remediate: is given the alerts of a message that fire, and may take its time.
    """

    def __init__(
        self, received: ReceivedAlerts, remediate: Callable[[Sequence[Alert]], None]
    ) -> None:
        self._received = received
        self._remediate = remediate
        self._queue: queue.Queue[Notification | None] = queue.Queue(_MAX_QUEUED)
        self._thread = threading.Thread(target=self._process, name="alerts")

    def start(self) -> None:
        """Begin to see to what is told."""
        self._thread.start()

    def close(self) -> None:
        """Forget what waits, finish what is being seen to."""
        with self._queue.mutex:
            self._queue.queue.clear()
        self._queue.put(None)
        self._thread.join()

    def enqueue(self, notification: Notification) -> None:
        """Take a message; what it says is seen to later.

        Raises:
            AlertsClosed: too many wait already; Alertmanager is to come again.
        """
        try:
            self._queue.put_nowait(notification)
        except queue.Full as error:
            raise AlertQueueFullError(
                "too many alerts are waiting: tell this one again later"
            ) from error

    def _process(self) -> None:
        while (notification := self._queue.get()) is not None:
            self._received.update(notification.alerts)
            firing = [told.alert for told in notification.alerts if told.status == "firing"]
            try:
                self._remediate(firing)
            except Exception:  # noqa: BLE001 - whatever it was: the next message is seen to
                _log.exception("the remedy for %s failed", [alert.name for alert in firing])
