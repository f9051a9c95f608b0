"""The lease of a run, and its outages."""

from collections.abc import Iterator

import click
import pytest

from cli.__main__ import pirack
from cli.api_client import ApiClient, ControllerError
from cli.experiments.lease import Lease
from cli.experiments.models import ApiRunSummary
from cli.experiments.verdict import Verdict
from tests.cli.experiments.scripted_controller import ScriptedController
from tests.controller.running_server import running_server
from tests.helpers.fake_clock import FakeClock

RUN = ApiRunSummary(
    id=1,
    name="raft",
    seed=7,
    state="waiting",
    actor="token:cli",
    reason="",
    started_at=0.0,
    finished_at=None,
    replay_of=None,
    verdict=None,
)
REQUEST = {"file": "raft.toml", "text": 'nodes = "all"', "seed": 7, "replay_of": None}


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    """The command, of which errors print the name."""
    with click.Context(pirack, info_name="pirack"):
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def controller() -> ScriptedController:
    controller = ScriptedController()
    with controller.app.test_client() as client:
        client.post("/api/v1.0/experiments", json=REQUEST)
    return controller


def test_lease_is_due_each_second_and_returns_requests(
    controller: ScriptedController, clock: FakeClock
) -> None:
    controller.run_requests = [
        {"id": 1, "kind": "place", "name": "leader", "command": "", "deadline": 3.0}
    ]
    with running_server(controller.app) as url:
        lease = Lease(ApiClient(url, None), RUN, clock=clock)
        assert lease.is_due
        assert lease.renew([], []) == []
        due = [lease.is_due]
        clock.now += 1.0
        due.append(lease.is_due)
        requests = lease.renew([], [])
    assert due == [False, True]
    assert lease.run.state == "faults"
    assert [request.name for request in requests or []] == ["leader"]


def test_clock_of_the_controller_is_measured(
    controller: ScriptedController, clock: FakeClock
) -> None:
    with running_server(controller.app) as url:
        lease = Lease(ApiClient(url, None), RUN, clock=clock)
        lease.renew([], [])
    assert lease.clock_offset.error == 0.0  # the fake clock stands still
    assert lease.clock_offset.seconds == controller.last_monotonic - 100.0


def test_outage_is_an_error_only_after_the_given_time(clock: FakeClock) -> None:
    lease = Lease(ApiClient("http://127.0.0.1:1", None), RUN, clock=clock)
    assert lease.renew([], []) is None
    assert not lease.send_verdict(Verdict("ok"))
    assert not lease.stop_run()
    clock.now += 59.0
    lease.require_connection(60.0)
    clock.now += 2.0
    with pytest.raises(ControllerError) as error:
        lease.require_connection(60.0)
    assert error.value.message == (
        "cannot connect to the controller at http://127.0.0.1:1:"
        " start it, or set --url or PIRACK_URL; run 1 ends by itself and its power returns:"
        " show it with `pirack experiment show 1`"
    )


def test_end_of_an_outage_is_noticed(controller: ScriptedController, clock: FakeClock) -> None:
    with running_server(controller.app) as url:
        lease = Lease(ApiClient(url, None), RUN, clock=clock)
        controller.failures = 1
        assert lease.renew([], []) is None
        clock.now += 59.0
        lease.renew([], [])
    clock.now += 59.0
    lease.require_connection(60.0)
    assert lease.outage is None
