"""The lease of a run: a request each second that shows that the user's machine is still there."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.api_client import ApiClient, ControllerError
from cli.experiments.models import ApiLease, ApiRunRequest, ApiRunSummary
from cli.experiments.verdict import Verdict

INTERVAL = 1.0


@dataclass(frozen=True)
class MonotonicOffset:
    """Clock of the controller minus the clock of this machine, both monotonic, in seconds.

    Attributes:
        seconds: The difference.
        error: Bound of its error: half of the duration of the measurement, infinite before it.
    """

    seconds: float = 0.0
    error: float = math.inf


class Lease:
    """The lease of a run. Without it for ten seconds, the controller ends the run safely.

    Args:
        client: Client of the API.
        run: The run, as it was started.
        clock: Returns monotonic seconds.

    Attributes:
        run: The run, as the controller last returned it.
        clock_offset: The difference of the clocks.
        outage: Error of the last request, None if the controller responded.
    """

    def __init__(
        self,
        client: ApiClient,
        run: ApiRunSummary,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self.clock_offset = MonotonicOffset()
        self.outage: ControllerError | None = None
        self._client = client
        self._path = f"experiments/{run.id}"
        self._clock = clock
        self._last_response = clock()
        self._next_renewal = clock()

    @property
    def is_due(self) -> bool:
        """Whether the lease has to be renewed."""
        return self._clock() >= self._next_renewal

    def renew(self, rates: Sequence[Any], answers: Sequence[Any]) -> list[ApiRunRequest] | None:
        """Send rates and answers. Return the controller's requests, None without a response."""
        sent_at = self._clock()
        self._next_renewal = sent_at + INTERVAL
        try:
            lease = self._client.post_promptly(
                f"{self._path}/lease", ApiLease, rates=rates, answers=answers
            ).data
        except ControllerError as error:
            self.outage = error
            return None
        self._note_response(lease.run)
        self._measure_clock(lease.monotonic, sent_at, self._last_response)
        return lease.requests

    def send_verdict(self, verdict: Verdict) -> bool:
        """Send the verdict. Return whether the controller has it."""
        try:
            response = self._client.post_promptly(
                f"{self._path}/verdict",
                ApiRunSummary,
                result=verdict.result,
                summary=verdict.summary,
                statistics=verdict.statistics,
            )
        except ControllerError as error:
            self.outage = error
            return False
        self._note_response(response.data)
        return True

    def stop_run(self) -> bool:
        """Stop the run. Return whether the controller has received it."""
        try:
            response = self._client.delete(self._path, ApiRunSummary)
        except ControllerError as error:
            self.outage = error
            return False
        self._note_response(response.data)
        return True

    def require_connection(self, seconds: float) -> None:
        """Raise ControllerError if the controller has not responded for these seconds."""
        if self.outage is not None and self._clock() - self._last_response > seconds:
            raise ControllerError(
                f"{self.outage.message}; run {self.run.id} ends by itself and its power returns:"
                f" show it with `pirack experiment show {self.run.id}`"
            ) from self.outage

    def _note_response(self, run: ApiRunSummary) -> None:
        self.run = run
        self.outage = None
        self._last_response = self._clock()

    def _measure_clock(self, monotonic: float, sent_at: float, received_at: float) -> None:
        error = (received_at - sent_at) / 2
        if error < self.clock_offset.error:
            self.clock_offset = MonotonicOffset(monotonic - (sent_at + received_at) / 2, error)
