"""Caches that load a value once for all concurrent callers."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class SingleFlightCache(Generic[_Value]):
    """Value that is loaded at most once in `max_age` seconds, for any number of threads.

    While one thread refreshes the value, the other threads get the cached value. If the cached
    value is older than `max_age + stale_while_refreshing`, they wait. An error is raised only in
    the thread that refreshes the value. The next call loads the value again.
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
        """Return the value. `max_age` can only shorten the age limit of the cache.

        The value can be older while another thread is refreshing it.
        """
        limit = self._max_age if max_age is None else min(max_age, self._max_age)
        age = self._clock() - self._loaded_at
        if self._lock.acquire(blocking=age >= self._max_age + self._stale_while_refreshing):
            try:
                if self._clock() - self._loaded_at >= limit:
                    self._value = self._load()
                    self._loaded_at = self._clock()
            finally:
                self._lock.release()
        return self._value


class KeyedCache(Generic[_Key, _Value]):
    """Values that are loaded once for each key. Concurrent callers wait for the same load.

    The oldest value is dropped if there are more than `max_size`. A failed load is not stored.
    """

    def __init__(self, load: Callable[[_Key], _Value], *, max_size: int) -> None:
        self._load = load
        self._max_size = max_size
        self._lock = threading.Lock()
        self._values: dict[_Key, _Value] = {}

    def get(self, key: _Key) -> _Value:
        """Return the value of a key."""
        with self._lock:
            if key not in self._values:
                value = self._load(key)
                while len(self._values) >= self._max_size:
                    del self._values[next(iter(self._values))]
                self._values[key] = value
            return self._values[key]
