"""One answer for all who ask at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Shared(Generic[_Answer]):
    """Asks a question at most once in `fresh_for` seconds, whoever and how many want the answer.

    While one asks, the others get the last answer, so that a slow question holds up one thread and
    not all; where the last answer is older than `usable_for` seconds more, they wait for the new
    one. Who is in a hurry may want a fresher one than the others: see `get`. An error is not
    shared: it is raised to the one who asked, and the next one asks again.
    """

    def __init__(
        self,
        ask: Callable[[], _Answer],
        *,
        fresh_for: float,
        usable_for: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._fresh_for = fresh_for
        self._usable_for = usable_for
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: _Answer
        self._asked_at = float("-inf")

    def get(self, fresh_for: float | None = None) -> _Answer:
        """Return the answer, not older than `fresh_for` seconds where that is less than for others.

        It may be older all the same while somebody else asks.
        """
        longest = self._fresh_for if fresh_for is None else min(fresh_for, self._fresh_for)
        age = self._clock() - self._asked_at
        if self._lock.acquire(blocking=age >= self._fresh_for + self._usable_for):
            try:
                if self._clock() - self._asked_at >= longest:
                    self._answer = self._ask()
                    self._asked_at = self._clock()
            finally:
                self._lock.release()
        return self._answer
