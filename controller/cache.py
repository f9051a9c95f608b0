"""Caches: one of limited size, and two that load a value once for all concurrent callers."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

RECENT_USE_SECONDS = 5.0
"""Seconds for which a value is refreshed ahead. Pages that show the present poll every 2 s."""

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class LruCache(Generic[_Key, _Value]):
    """The values of the most recently used keys. Thread-safe."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._lock = threading.Lock()
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key, or None if it is not stored."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: _Key, value: _Value) -> None:
        """Store the value of a key. Remove the least recently used one if there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._max_size:
                self._values.popitem(last=False)


class SingleFlightCache(Generic[_Value]):
    """Value that is loaded at most once in `max_age` seconds, for any number of threads.

    While one thread refreshes the value, the other threads get the cached value. If the cached
    value is older than `max_age + stale_while_refreshing`, they wait. An error is raised only in
    the thread that refreshes the value. The next call loads the value again, also if the cached
    value is not too old.
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
        self._loaded_at = self._used_at = -math.inf

    def get(self, max_age: float | None = None) -> _Value:
        """Return the value. `max_age` can only shorten the age limit of the cache.

        The value can be older while another thread is refreshing it.
        """
        limit = self._max_age if max_age is None else min(max_age, self._max_age)
        self._used_at = self._clock()
        age = self._used_at - self._loaded_at
        if age < limit:
            return self._value
        if self._lock.acquire(blocking=age >= self._max_age + self._stale_while_refreshing):
            try:
                if self._clock() - self._loaded_at >= limit:
                    self._refresh()
            finally:
                self._lock.release()
        return self._value

    def refresh_ahead(self) -> _Value | None:
        """Load the value at half of its maximum age, so that `get` does not load it. Return it.

        Return None if it is younger, or if `get` was not called recently.
        """
        with self._lock:
            now = self._clock()
            is_used = now - self._used_at < RECENT_USE_SECONDS
            if not is_used or now - self._loaded_at < self._max_age / 2:
                return None
            self._refresh()
            return self._value

    def _refresh(self) -> None:
        try:
            self._value = self._load()
        except BaseException:
            self._loaded_at = -math.inf
            raise
        self._loaded_at = self._clock()


class KeyedCache(Generic[_Key, _Value]):
    """Values that are loaded once for each key. Concurrent callers wait for the same load.

    The least recently used value is dropped if there are more than `max_size`. A value that is
    `max_age` seconds old is loaded again, and so is one whose load failed.
    """

    def __init__(
        self,
        load: Callable[[_Key], _Value],
        *,
        max_size: int,
        max_age: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: LruCache[_Key, tuple[float, _Value]] = LruCache(max_size)

    def get(self, key: _Key) -> _Value:
        """Return the value of a key."""
        with self._lock:
            loaded = self._loaded.get(key)
            if loaded is None or self._clock() - loaded[0] >= self._max_age:
                value = self._load(key)
                loaded = self._clock(), value
                self._loaded.put(key, loaded)
            return loaded[1]
