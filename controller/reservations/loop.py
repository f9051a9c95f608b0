"""Thread that ends and starts reservations."""

import logging
import threading

from controller.reservations.service import ReservationService
from rack.errors import PiRackError

_INTERVAL = 0.5

_log = logging.getLogger(__name__)


class ReservationLoop:
    """Calls `ReservationService.tick` twice a second, from `start` to `close`."""

    def __init__(self, reservations: ReservationService) -> None:
        self._reservations = reservations
        self._logged = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reservations")

    def start(self) -> None:
        """Start the thread. Orders must be accepted."""
        self._thread.start()

    def close(self) -> None:
        """End the thread. No reservation ends."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._reservations.tick()
            except PiRackError as error:
                if str(error) != self._logged:  # log each error once, not twice a second
                    self._logged = str(error)
                    _log.error("reservations neither start nor end: %s", error)
            else:
                self._logged = ""
            self._stop.wait(_INTERVAL)
