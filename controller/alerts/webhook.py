"""What Alertmanager tells is taken at once, and seen to in a thread of its own."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence

from controller.alerts.alert import Alert
from controller.alerts.notification import Notification
from controller.alerts.told import Told
from controller.errors import AlertsClosed

_MOST_WAITING = 1000
_log = logging.getLogger(__name__)


class Webhook:
    """Remembers what Alertmanager tells, and has remedies tried. It runs from `start` to `close`.

    Args:
        told: remembers.
        remedy: is given the alerts of a message that fire, and may take its time.
    """

    def __init__(self, told: Told, remedy: Callable[[Sequence[Alert]], None]) -> None:
        self._told = told
        self._remedy = remedy
        self._waiting: queue.Queue[Notification | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._see_to_all, name="alerts")

    def start(self) -> None:
        """Begin to see to what is told."""
        self._thread.start()

    def close(self) -> None:
        """Forget what waits, finish what is being seen to."""
        with self._waiting.mutex:
            self._waiting.queue.clear()
        self._waiting.put(None)
        self._thread.join()

    def take(self, notification: Notification) -> None:
        """Take a message; what it says is seen to later.

        Raises:
            AlertsClosed: too many wait already; Alertmanager is to come again.
        """
        try:
            self._waiting.put_nowait(notification)
        except queue.Full as error:
            raise AlertsClosed("too many alerts are waiting: tell this one again later") from error

    def _see_to_all(self) -> None:
        while (notification := self._waiting.get()) is not None:
            self._told.take(notification.alerts)
            firing = [told.alert for told in notification.alerts if told.status == "firing"]
            try:
                self._remedy(firing)
            except Exception:  # noqa: BLE001 - whatever it was: the next message is seen to
                _log.exception("the remedy for %s failed", [alert.name for alert in firing])
