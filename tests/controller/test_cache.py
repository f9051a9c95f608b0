"""Many ask, one question is put."""

import threading
from collections.abc import Iterator

import pytest

from controller.cache import SingleFlightCache


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_serves_all_while_it_is_fresh_and_not_longer() -> None:
    clock, asked = FakeClock(), iter(range(10))
    shared = SingleFlightCache(lambda: next(asked), max_age=1.0, clock=clock)
    assert [shared.get(), shared.get()] == [0, 0]
    clock.now = 0.9
    assert shared.get() == 0
    clock.now = 1.0
    assert shared.get() == 1


def test_who_is_in_a_hurry_gets_a_fresher_answer_and_the_others_get_that_too() -> None:
    clock, asked = FakeClock(), iter(range(10))
    shared = SingleFlightCache(lambda: next(asked), max_age=1.0, clock=clock)
    assert shared.get() == 0
    clock.now = 0.3
    assert shared.get(0.25) == 1
    clock.now = 1.2
    assert shared.get() == 1


def test_who_comes_while_another_asks_gets_the_last_answer_at_once() -> None:
    clock, asking, go = FakeClock(), threading.Event(), threading.Event()
    asked = iter([0, 1])

    def ask() -> int:
        number = next(asked)
        if number == 1:
            asking.set()
            go.wait(10)
        return number

    shared = SingleFlightCache(ask, max_age=1.0, stale_while_refreshing=4.0, clock=clock)
    assert shared.get() == 0
    clock.now = 2.0
    slow: list[int] = []
    thread = threading.Thread(target=lambda: slow.append(shared.get()))
    thread.start()
    assert asking.wait(10)
    assert shared.get() == 0
    go.set()
    thread.join()
    assert slow == [1]


def test_who_comes_while_the_first_asks_waits_for_that_answer() -> None:
    asking, go = threading.Event(), threading.Event()
    asked = []

    def ask() -> int:
        asked.append(1)
        asking.set()
        go.wait(10)
        return len(asked)

    shared = SingleFlightCache(ask, max_age=60.0)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(shared.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert asking.wait(10)
    go.set()
    for thread in threads:
        thread.join()
    assert answers == [1] * 20
    assert asked == [1]


def test_an_error_is_not_kept() -> None:
    answers: Iterator[int | ValueError] = iter([ValueError("no"), 7])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    shared = SingleFlightCache(ask, max_age=60.0)
    with pytest.raises(ValueError, match="no"):
        shared.get()
    assert shared.get() == 7
