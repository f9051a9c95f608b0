"""Tests of the limits of connections and of requests in progress."""

import threading
from dataclasses import dataclass

from controller.web.connections import ConnectionTable
from controller.web.fair_dispatcher import FairDispatcher
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until


@dataclass(eq=False)
class FakeConnection:
    network: str
    waiting_since: float
    is_waiting: bool = True


def test_connection_that_waited_longest_is_closed_at_the_limit_of_its_network() -> None:
    table: ConnectionTable[FakeConnection] = ConnectionTable(max_per_network=3, max_total=10)
    others = [FakeConnection("10.0.0.2", i) for i in range(3)]
    busy, old, new = (FakeConnection("10.0.0.1", 5, is_waiting=i > 0) for i in range(3))
    old.waiting_since = 4
    assert [table.add(connection) for connection in (*others, busy, old, new)] == [None] * 6
    newest = FakeConnection("10.0.0.1", 9)
    assert table.add(newest) is old
    table.remove(old)
    table.remove(old)
    assert table.add(FakeConnection("10.0.0.1", 9)) is new


def test_new_connection_is_closed_if_all_others_of_its_network_are_busy() -> None:
    table: ConnectionTable[FakeConnection] = ConnectionTable(max_per_network=2, max_total=10)
    for _ in range(2):
        table.add(FakeConnection("10.0.0.1", 0, is_waiting=False))
    newest = FakeConnection("10.0.0.1", 9, is_waiting=False)
    assert table.add(newest) is newest


def test_network_with_the_most_connections_loses_one_at_the_total_limit() -> None:
    table: ConnectionTable[FakeConnection] = ConnectionTable(max_per_network=5, max_total=6)
    crowd = [FakeConnection("10.0.0.1", i) for i in range(4)]
    for connection in [*crowd, FakeConnection("10.0.0.2", 0), FakeConnection("10.0.0.3", 0)]:
        assert table.add(connection) is None
    assert table.add(FakeConnection("10.0.0.4", 9)) is crowd[0]


def test_proxy_has_only_the_total_limit() -> None:
    table: ConnectionTable[FakeConnection] = ConnectionTable(
        max_per_network=2, max_total=5, exempt_network="10.0.0.1"
    )
    assert [table.add(FakeConnection("10.0.0.1", i)) for i in range(5)] == [None] * 5
    assert table.add(FakeConnection("10.0.0.1", 9)) is not None


class BlockingTask:
    """A task that ends when a test allows it."""

    def __init__(self, lane: str, served: list[str]) -> None:
        self.lane = lane
        self.may_end = threading.Event()
        self._served = served

    def service(self) -> None:
        self._served.append(self.lane)
        assert self.may_end.wait(TIMEOUT_SECONDS)

    def cancel(self) -> None:
        """Discard the task."""


def test_waiting_requests_of_a_network_leave_threads_to_other_networks() -> None:
    served: list[str] = []
    dispatcher = FairDispatcher(lambda task: task.lane, max_per_lane=2)  # type: ignore[attr-defined]
    dispatcher.set_thread_count(4)
    crowd = [BlockingTask("crowd", served) for _ in range(20)]
    for task in crowd:
        dispatcher.add_task(task)
    wait_until(lambda: served == ["crowd"] * 2)
    user = BlockingTask("user", served)
    dispatcher.add_task(user)
    wait_until(lambda: served == ["crowd", "crowd", "user"])
    for task in [*crowd, user]:
        task.may_end.set()
    wait_until(lambda: served.count("crowd") == 20)
    wait_until(lambda: not dispatcher._running and not dispatcher._waiting)
    dispatcher.shutdown()
