"""A thread that calls a function again and again, and logs each error once."""

import logging
import threading
from collections.abc import Callable

from rack.errors import PiRackError

_log = logging.getLogger(__name__)


class PeriodicThread:
    """Calls a function from `start` to `close`.

    Args:
        name: Name of the thread.
        interval: Seconds between two calls.
        call: The function. An OSError or a PiRackError does not end the thread.
        failure: What an error means, for the log.
    """

    def __init__(
        self, name: str, interval: float, call: Callable[[], object], failure: str
    ) -> None:
        self._interval = interval
        self._call = call
        self._failure = failure
        self._logged = ""
        self._stop = threading.Event()
        self._is_due = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Call the function now, and again after each interval."""
        self._thread.start()

    def call_now(self) -> None:
        """Let the next call begin now, or at the end of the current call."""
        self._is_due.set()

    def close(self) -> None:
        """Wait for the current call, and end the thread."""
        self._stop.set()
        self._is_due.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._call()
            except (OSError, PiRackError) as error:
                if str(error) != self._logged:  # log each error once, not after each interval
                    self._logged = str(error)
                    _log.error("%s: %s", self._failure, error)
            else:
                self._logged = ""
            self._is_due.wait(self._interval)
            self._is_due.clear()
