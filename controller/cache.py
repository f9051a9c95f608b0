"""One answer for all who ask at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class SingleFlightCache(Generic[_Value]):
    """Asks a question at most once in `max_age` seconds, whoever and how many want the answer.

    While one asks, the others get the last answer, so that a slow question holds up one thread and
    not all; where the last answer is older than `stale_while_refreshing` seconds more, they wait for the new
    one. Who is in a hurry may want a fresher one than the others: see `get`. An error is not
    shared: it is raised to the one who asked, and the next one asks again.
    """

    def __init__(
        self,
        load: Callable[[], _Value],
        *,
        max_age: float,
        stale_while_refreshing: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._max_age = max_age
        self._stale_while_refreshing = stale_while_refreshing
        self._clock = clock
        self._lock = threading.Lock()
        self._value: _Value
        self._loaded_at = float("-inf")

    def get(self, max_age: float | None = None) -> _Value:
        """Return the answer, not older than `max_age` seconds where that is less than for others.

        It may be older all the same while somebody else asks.
        """
        longest = self._max_age if max_age is None else min(max_age, self._max_age)
        age = self._clock() - self._loaded_at
        if self._lock.acquire(blocking=age >= self._max_age + self._stale_while_refreshing):
            try:
                if self._clock() - self._loaded_at >= longest:
                    self._value = self._load()
                    self._loaded_at = self._clock()
            finally:
                self._lock.release()
        return self._value
