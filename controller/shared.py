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
    one. An error is not shared: it is raised to the one who asked, and the next one asks again.
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
        self._fresh_until = float("-inf")

    def get(self) -> _Answer:
        """Return the answer."""
        is_usable = self._clock() < self._fresh_until + self._usable_for
        if self._lock.acquire(blocking=not is_usable):
            try:
                if self._clock() >= self._fresh_until:
                    self._answer = self._ask()
                    self._fresh_until = self._clock() + self._fresh_for
            finally:
                self._lock.release()
        return self._answer
