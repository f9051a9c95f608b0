"""Tests of the caches."""

import threading
from collections.abc import Iterator

import pytest

from controller.cache import RECENT_USE_SECONDS, KeyedCache, LruCache, SingleFlightCache
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import TIMEOUT_SECONDS


def test_cache_returns_the_value_until_it_is_too_old() -> None:
    clock, values = FakeClock(), iter(range(10))
    cache = SingleFlightCache(lambda: next(values), max_age=1.0, clock=clock)
    assert [cache.get(), cache.get()] == [0, 0]
    clock.now = 0.9
    assert cache.get() == 0
    clock.now = 1.0
    assert cache.get() == 1


def test_cache_refreshes_earlier_for_a_shorter_max_age() -> None:
    clock, values = FakeClock(), iter(range(10))
    cache = SingleFlightCache(lambda: next(values), max_age=1.0, clock=clock)
    assert cache.get() == 0
    clock.now = 0.3
    assert cache.get(0.25) == 1
    clock.now = 1.2
    assert cache.get() == 1


def test_cache_returns_the_previous_value_during_a_refresh() -> None:
    clock, is_loading, finish = FakeClock(), threading.Event(), threading.Event()
    values = iter([0, 1])

    def load() -> int:
        value = next(values)
        if value == 1:
            is_loading.set()
            finish.wait(TIMEOUT_SECONDS)
        return value

    cache = SingleFlightCache(load, max_age=1.0, stale_while_refreshing=4.0, clock=clock)
    assert cache.get() == 0
    clock.now = 2.0
    refreshed: list[int] = []
    thread = threading.Thread(target=lambda: refreshed.append(cache.get()))
    thread.start()
    assert is_loading.wait(TIMEOUT_SECONDS)
    assert cache.get() == 0
    finish.set()
    thread.join()
    assert refreshed == [1]


def test_cache_loads_the_first_value_once_for_concurrent_calls() -> None:
    is_loading, finish = threading.Event(), threading.Event()
    loads = []

    def load() -> int:
        loads.append(1)
        is_loading.set()
        finish.wait(TIMEOUT_SECONDS)
        return len(loads)

    cache = SingleFlightCache(load, max_age=60.0)
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(cache.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert is_loading.wait(TIMEOUT_SECONDS)
    finish.set()
    for thread in threads:
        thread.join()
    assert results == [1] * 20
    assert loads == [1]


def test_cache_does_not_store_an_error() -> None:
    results: Iterator[int | ValueError] = iter([ValueError("no"), 7])

    def load() -> int:
        result = next(results)
        if isinstance(result, ValueError):
            raise result
        return result

    cache = SingleFlightCache(load, max_age=60.0)
    with pytest.raises(ValueError, match="no"):
        cache.get()
    assert cache.get() == 7


def test_value_is_loaded_ahead_at_half_of_its_maximum_age_if_it_was_used() -> None:
    clock, values = FakeClock(), iter(range(10))
    cache = SingleFlightCache(lambda: next(values), max_age=2.0, clock=clock)
    assert cache.refresh_ahead() is None  # it was not used
    assert cache.get() == 0
    clock.now = 0.9
    assert cache.refresh_ahead() is None
    clock.now = 1.0
    assert cache.refresh_ahead() == 1
    clock.now = RECENT_USE_SECONDS
    assert cache.refresh_ahead() is None
    assert cache.get() == 2


def test_value_is_loaded_again_after_an_error_although_it_is_recent() -> None:
    clock = FakeClock()
    results: Iterator[int | ValueError] = iter([1, ValueError("no"), 2])

    def load() -> int:
        result = next(results)
        if isinstance(result, ValueError):
            raise result
        return result

    cache = SingleFlightCache(load, max_age=2.0, clock=clock)
    assert cache.get() == 1
    clock.now = 1.0
    with pytest.raises(ValueError, match="no"):
        cache.refresh_ahead()
    assert cache.get() == 2


def test_value_of_each_key_is_loaded_once_until_it_is_the_least_recently_used_of_too_many() -> None:
    loaded: list[str] = []

    def load(key: str) -> str:
        loaded.append(key)
        return key.upper()

    cache = KeyedCache(load, max_size=2)
    assert [cache.get(key) for key in "abab"] == ["A", "B", "A", "B"]
    assert loaded == ["a", "b"]
    assert [cache.get(key) for key in "cba"] == ["C", "B", "A"]
    assert loaded == ["a", "b", "c", "a"]


def test_value_of_a_key_is_loaded_again_when_it_is_too_old() -> None:
    values, clock = iter([1, 2]), FakeClock()
    cache: KeyedCache[str, int] = KeyedCache(
        lambda _: next(values), max_size=2, max_age=5, clock=clock
    )
    assert cache.get("a") == 1
    clock.sleep(4)
    assert cache.get("a") == 1
    clock.sleep(1)
    assert cache.get("a") == 2


def test_failed_load_of_a_key_is_repeated() -> None:
    values: Iterator[int] = iter([0, 7])
    cache: KeyedCache[str, float] = KeyedCache(lambda _: 1 / next(values), max_size=2)
    with pytest.raises(ZeroDivisionError):
        cache.get("a")
    assert cache.get("a") == 1 / 7


def test_lru_cache_keeps_the_most_recently_used_values() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    cache.put("a", 4)
    cache.put("d", 5)
    assert [cache.get(key) for key in "acd"] == [4, None, 5]
