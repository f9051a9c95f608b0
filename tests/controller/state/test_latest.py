"""The latest state of the rack, which one thread reads ahead of the clients."""

import concurrent.futures
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from controller.cache import RECENT_USE_SECONDS
from controller.state.latest import MAX_STATE_AGE_SECONDS, LatestState
from controller.state.model import PowerState, RackState, RaspStatus
from controller.state.prometheus import Prometheus
from controller.state.reader import RackStateReader
from rack.database import Database
from rack.errors import DatabaseError
from rack.inventory import Inventory
from rack.layout import Outlet
from rack.power.commanded_power import CommandedPower
from tests.controller.fakes import INSTALLED, RACK, FakeRackState
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus
from tests.controller.state.test_prometheus import http_server_answering
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

POLL_SECONDS = 0.6
"""Interval of the rack page."""

CHECK_SECONDS = 0.2
"""Interval of the thread, such that the polls are between its calls."""

FIRST_STACK = RACK.stacks[0].outlets[0]


@dataclass
class MeasuredRack:
    """A rack with a fake clock, whose controller reads its state from a Prometheus."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    commanded: dict[Outlet, CommandedPower] = field(default_factory=dict)
    inventory: Inventory = field(init=False)

    def __post_init__(self) -> None:
        self.inventory = Inventory(Database(self.folder / "state.db"))
        self.inventory.replace(INSTALLED.values())

    def latest(self, url: str, clock: Callable[[], float] | None = None) -> LatestState:
        reader = RackStateReader(
            RACK,
            self.inventory,
            Prometheus(url, timeout=TIMEOUT_SECONDS),
            CollectorRegistry(),
            commanded=lambda: dict(self.commanded),
        )
        return LatestState(reader, clock=clock or self.clock)


@pytest.fixture
def rack(tmp_path: Path) -> MeasuredRack:
    return MeasuredRack(tmp_path)


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    with recorded_prometheus(RecordedPrometheus(RACK, 5000, 5600)) as recorded:
        yield recorded


@pytest.fixture
def latest(rack: MeasuredRack, recorded: RecordedPrometheus) -> LatestState:
    return rack.latest(recorded.url)


class ReadRackState(FakeRackState):
    """State of a rack that is read from Prometheus."""

    def __init__(self, latest: LatestState) -> None:
        super().__init__(RACK)
        self._latest = latest

    def read(self) -> RackState:
        return self._latest.get()


@pytest.fixture
def rack_state(latest: LatestState) -> FakeRackState:
    return ReadRackState(latest)


def pass_time(rack: MeasuredRack, latest: LatestState, seconds: float) -> None:
    """Let time pass, in which the thread calls `refresh`."""
    for _ in range(round(seconds / CHECK_SECONDS)):
        rack.clock.sleep(CHECK_SECONDS)
        latest.refresh()


def test_poll_of_a_viewer_does_not_query_prometheus(
    client: FlaskClient, rack: MeasuredRack, latest: LatestState, recorded: RecordedPrometheus
) -> None:
    assert "47 °C" in client.get("/").text  # the first request reads the state itself
    of_polls = 0
    for _ in range(50):
        pass_time(rack, latest, POLL_SECONDS)
        before = len(recorded.moments)
        assert client.get("/", headers={"Prefer": "return=minimal"}).status_code == 200
        of_polls += len(recorded.moments) - before
    assert of_polls == 0
    seconds = 50 * POLL_SECONDS
    assert 0.8 * seconds <= len(recorded.moments) <= seconds + 1  # once a second


def test_many_viewers_read_a_state_once(
    rack: MeasuredRack, latest: LatestState, recorded: RecordedPrometheus
) -> None:
    with ThreadPoolExecutor(20) as viewers:
        states = list(viewers.map(lambda _: latest.get(), range(100)))
    assert {id(state) for state in states} == {id(states[0])}
    assert recorded.moments == [None]


def test_prometheus_is_not_queried_while_no_client_reads_the_state(
    rack: MeasuredRack, latest: LatestState, recorded: RecordedPrometheus
) -> None:
    pass_time(rack, latest, 60)
    assert recorded.moments == []
    latest.get()
    pass_time(rack, latest, 60)
    assert 1 < len(recorded.moments) <= RECENT_USE_SECONDS + 1


def test_state_is_never_older_than_two_seconds(
    rack: MeasuredRack, latest: LatestState, recorded: RecordedPrometheus
) -> None:
    """The thread may be late, or may not run."""
    assert MAX_STATE_AGE_SECONDS == 2
    first = latest.get()
    rack.clock.sleep(1.99)
    assert latest.get() is first
    rack.clock.sleep(0.01)
    assert latest.get() is not first
    assert len(recorded.moments) == 2


def test_client_waits_for_the_thread_instead_of_getting_an_old_state(rack: MeasuredRack) -> None:
    temperatures, is_asked, is_answered = iter((40, 50)), threading.Event(), threading.Event()

    def answer(_path: str) -> tuple[int, bytes]:
        if (celsius := next(temperatures)) == 50:
            is_asked.set()
            is_answered.wait(TIMEOUT_SECONDS)
        return 200, response_with(celsius)

    with http_server_answering(answer) as url, ThreadPoolExecutor(2) as threads:
        latest = rack.latest(url)
        assert latest.get().rasps[0].temperature_celsius == 40
        rack.clock.sleep(1)
        refresh = threads.submit(latest.refresh)
        assert is_asked.wait(TIMEOUT_SECONDS)
        assert latest.get().rasps[0].temperature_celsius == 40
        rack.clock.sleep(1)
        waiting = threads.submit(latest.get)
        is_old = bool(concurrent.futures.wait([waiting], timeout=0.1).done)
        is_answered.set()
        assert not is_old
        assert waiting.result().rasps[0].temperature_celsius == 50
        refresh.result()


def response_with(celsius: int) -> bytes:
    names = {"rack_stack_slot:pirack_rasp_state:max": 1, "pirack_cpu_temperature_celsius": celsius}
    result = [
        {"metric": {"__name__": name, "stack": "01", "slot": "1"}, "value": [0, str(value)]}
        for name, value in names.items()
    ]
    return json.dumps({"data": {"resultType": "vector", "result": result}}).encode()


@pytest.mark.parametrize("has_thread", [True, False])
def test_next_request_shows_that_prometheus_is_down(
    rack: MeasuredRack, *, has_thread: bool
) -> None:
    with http_server_answering(lambda _: (200, response_with(47))) as url:
        latest = rack.latest(url)
        assert latest.get().rasps[0].state is RaspStatus.UP
    if has_thread:
        pass_time(rack, latest, 1)
    else:
        rack.clock.sleep(MAX_STATE_AGE_SECONDS)
    state = latest.get()
    assert "cannot be reached" in state.error
    assert {rasp.state for rasp in state.rasps} == {RaspStatus.UNKNOWN}


def test_error_of_the_inventory_in_the_thread_is_raised_in_the_next_request(
    rack: MeasuredRack, latest: LatestState
) -> None:
    latest.get()
    (rack.folder / "state.db").write_bytes(b"damaged" * 1000)
    rack.clock.sleep(1)
    with pytest.raises(DatabaseError):
        latest.refresh()
    with pytest.raises(DatabaseError):
        latest.get()


def test_thread_prepares_the_state_that_the_next_client_gets(
    rack: MeasuredRack, latest: LatestState
) -> None:
    prepared: list[RackState] = []
    latest.prepare_with(prepared.append)
    first = latest.get()
    assert prepared == []
    pass_time(rack, latest, 1)
    [second] = prepared
    assert second is not first
    assert latest.get() is second


def test_power_that_the_controller_commands_is_in_the_next_state_without_a_query(
    rack: MeasuredRack, latest: LatestState, recorded: RecordedPrometheus
) -> None:
    rack.commanded[FIRST_STACK] = CommandedPower(is_on=True, since=0.0, boot_id="")
    before = latest.get()
    assert latest.get() is before
    rack.commanded[FIRST_STACK] = CommandedPower(is_on=False, since=0.0, boot_id="")
    powers = [state.stacks[0].power for state in (before, latest.get())]
    assert powers == [PowerState.ON, PowerState.OFF]
    assert recorded.moments == [None]


def test_thread_reads_the_state_until_it_is_closed(
    rack: MeasuredRack, recorded: RecordedPrometheus
) -> None:
    latest = rack.latest(recorded.url, time.monotonic)
    thread = latest.make_thread()
    thread.start()
    latest.get()
    wait_until(lambda: len(recorded.moments) >= 2)
    thread.close()
    assert "state" not in {each.name for each in threading.enumerate()}
