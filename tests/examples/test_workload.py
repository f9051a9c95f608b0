"""Histories that the clients of the examples write."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.experiments.history import Operation, read_history
from cli.experiments.set_check import check
from examples.experiments.clients import workload
from examples.experiments.clients.workload import RefusedError
from tests.helpers.waiting import wait_until


class Store:
    """A store in this process. `outcome` is called before each write with the integer."""

    def __init__(self, outcome: Callable[[int], None] = lambda value: None) -> None:
        self.integers: list[int] = []
        self.connections = 0
        self._outcome = outcome

    def connect(self, nodes: Sequence[str]) -> "Store":
        assert set(nodes) == {"10.23.1.1", "10.23.2.1"}
        self.connections += 1
        return self

    def add(self, value: int) -> None:
        self._outcome(value)
        self.integers.append(value)

    def read(self) -> list[int]:
        return self.integers

    def close(self) -> None:
        self.connections -= 1


def history_of(store: Store, folder: Path, is_done: Callable[[], bool]) -> list[Operation]:
    """Write to a store until `is_done`, and return the history."""
    file = folder / "history.jsonl"
    stop = threading.Event()
    arguments = (store.connect, ["10.23.1.1", "10.23.2.1"], file, stop, time.monotonic_ns())
    client = threading.Thread(
        target=workload.run, args=arguments, kwargs={"read_seconds": 0.1}, daemon=True
    )
    client.start()
    try:
        wait_until(is_done)
    finally:
        stop.set()
        client.join()
    return list(read_history(file))


def types_of(history: Sequence[Operation], value: int) -> list[str]:
    return [line.type for line in history if line.f == "add" and line.value == value]


def test_every_acknowledged_write_is_in_the_history(tmp_path: Path) -> None:
    store = Store()
    history = history_of(store, tmp_path, lambda: len(store.integers) > 100)
    result = check(history)
    assert result.verdict == "ok"
    assert result.acknowledged == len(store.integers) > 100
    assert store.connections == 0


def test_lost_write_is_found_by_the_set_check(tmp_path: Path) -> None:
    store = Store()

    def is_done() -> bool:
        return len(store.integers) > 10 and store.integers.pop(0) == 1

    result = check(history_of(store, tmp_path, is_done))
    assert result.verdict == "lost"
    assert [write.value for write in result.lost] == [1]


def test_refused_write_has_failed_and_its_worker_continues(tmp_path: Path) -> None:
    def refuse_the_first(value: int) -> None:
        if value == 1:
            raise RefusedError("READONLY")

    store = Store(refuse_the_first)
    history = history_of(store, tmp_path, lambda: len(store.integers) > 50)
    assert types_of(history, 1) == ["invoke", "fail"]
    assert [line.extra["error"] for line in history if line.type == "fail"] == ["READONLY"]
    assert check(history).verdict == "ok"


def test_worker_is_a_new_process_after_a_write_with_unknown_outcome(tmp_path: Path) -> None:
    def lose_some_answers(value: int) -> None:
        if value % 10 == 0:
            raise TimeoutError("no answer")

    store = Store(lose_some_answers)
    history = history_of(store, tmp_path, lambda: len(store.integers) > 100)
    assert types_of(history, 10) == ["invoke", "info"]
    ended = {line.process for line in history if line.type == "info"}
    assert ended
    for process in ended:
        lines = [line.type for line in history if line.process == process]
        assert lines.index("info") == len(lines) - 1
    assert check(history).verdict == "ok"


def test_read_that_fails_makes_the_result_unknown(tmp_path: Path) -> None:
    class UnreadableStore(Store):
        def read(self) -> list[int]:
            raise ConnectionRefusedError("the node is down")

    store = UnreadableStore()
    history = history_of(store, tmp_path, lambda: len(store.integers) > 10)
    assert check(history).verdict == "unknown"


def test_store_without_connection_gets_no_write(tmp_path: Path) -> None:
    attempts = itertools.count()

    class UnreachableStore(Store):
        def connect(self, nodes: Sequence[str]) -> Store:
            next(attempts)
            raise ConnectionRefusedError("no node responds")

    history = history_of(UnreachableStore(), tmp_path, lambda: next(attempts) > 20)
    assert [line.f for line in history] == ["read", "read"]
