"""Workload of a board, with idle and busy phases of random duration."""

from random import Random

_IDLE_SECONDS = 90.0
_BUSY_SECONDS = 45.0
_IDLE_LOAD = (0.01, 0.08)
_BUSY_LOAD = (0.55, 1.0)


class Workload:
    """The load of a board. The seed of `random` determines the phases."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._is_busy = random.random() < _BUSY_SECONDS / (_BUSY_SECONDS + _IDLE_SECONDS)
        self._begin_phase()

    @property
    def load(self) -> float:
        """The CPU usage of the board, from 0 to 1."""
        return self._load

    def advance(self, seconds: float) -> None:
        """Simulate `seconds` of operation."""
        self._seconds_left -= seconds
        if self._seconds_left <= 0:
            self._is_busy = not self._is_busy
            self._begin_phase()

    def _begin_phase(self) -> None:
        mean, loads = (_BUSY_SECONDS, _BUSY_LOAD) if self._is_busy else (_IDLE_SECONDS, _IDLE_LOAD)
        self._seconds_left = self._random.expovariate(1 / mean)
        self._load = self._random.uniform(*loads)
