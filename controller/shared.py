"""One answer for all who ask at the same time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Shared(Generic[_Answer]):
    """Asks a question at most once in `fresh_for` seconds, whoever and how many want the answer.

    Who comes while another asks waits for that one's answer. An error is not shared: it is raised
    to the one who asked, and the next one asks again.
    """

    def __init__(
        self,
        ask: Callable[[], _Answer],
        *,
        fresh_for: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._fresh_for = fresh_for
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: _Answer
        self._fresh_until = float("-inf")

    def get(self) -> _Answer:
        """Return the answer, at most `fresh_for` seconds old."""
        with self._lock:
            if self._clock() >= self._fresh_until:
                self._answer = self._ask()
                self._fresh_until = self._clock() + self._fresh_for
            return self._answer
