"""The doctor of a running controller: one examination at a time, for all requests."""

import threading
import time
from collections.abc import Callable

from controller.doctor.examination import DoctorReport
from rack.errors import PiRackError

_MAX_AGE = 5.0
_PAGE_MAX_AGE = 60.0


class ExaminationError(PiRackError):
    """An examination ended without a report."""


class Doctor:
    """Examines the master on request. Thread-safe.

    Args:
        examine: Returns a report, in bounded time.
        clock: Returns seconds on a monotonic clock.
    """

    def __init__(
        self,
        examine: Callable[[], DoctorReport],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._examine = examine
        self._clock = clock
        self._changed = threading.Condition()
        self._is_running = False
        self._report: DoctorReport | None = None
        self._reported_at = float("-inf")

    def report(self) -> DoctorReport:
        """Return a report that is a few seconds old at most. Wait for it if necessary.

        Raises:
            ExaminationError: If the examination failed.
        """
        with self._changed:
            if self._start_if_older(_MAX_AGE):
                self._changed.wait_for(lambda: not self._is_running)
            if self._report is None:
                raise ExaminationError("the examination failed: read the log of the controller")
            return self._report

    def latest(self) -> DoctorReport | None:
        """Return the latest report at once, or None. Start an examination if it is old."""
        with self._changed:
            self._start_if_older(_PAGE_MAX_AGE)
            return self._report

    def _start_if_older(self, max_age: float) -> bool:
        """Return whether an examination is running, and start one if the report is older."""
        if not self._is_running and self._clock() - self._reported_at > max_age:
            self._is_running = True
            threading.Thread(target=self._run, name="doctor", daemon=True).start()
        return self._is_running

    def _run(self) -> None:
        try:
            report = self._examine()
            with self._changed:
                self._report = report
                self._reported_at = self._clock()
        finally:
            with self._changed:
                self._is_running = False
                self._changed.notify_all()
