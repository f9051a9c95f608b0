"""The command `pirack activity`."""

import json
import re
import signal
from collections.abc import Callable

import pytest

from cli.activity_command import KINDS
from controller.activity.model import ActivityKind
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.orders.model import OrderRequest, OrderState
from controller.orders.service import OrderService
from tests.cli.conftest import RunPirack
from tests.cli.terminal import Terminal
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def operator(environment: dict[str, str], access: AccessControl, url: str) -> None:
    token = access.tokens.add("tests", Role.OPERATOR)
    environment |= {"PIRACK_URL": url, "PIRACK_TOKEN": token}


def run_order(orders: OrderService, action: str, *stacks: int) -> int:
    """Run a forced order. Return its id."""
    request = OrderRequest(action, "stacks", stacks, force=action != "power_on")
    number = orders.submit(request, "alice", "").id
    wait_until(lambda: orders.get(number).state is OrderState.DONE)
    return number


def test_kinds_are_those_of_the_api() -> None:
    assert set(KINDS) == set(ActivityKind)


def test_events_are_listed_with_the_latest_last_and_missing_kinds_on_stderr(
    run: RunPirack, orders: OrderService
) -> None:
    number = run_order(orders, "power_off", 3)
    done = run("activity")
    assert done.returncode == 0
    header, *rows = [line.rstrip() for line in done.stdout.splitlines()]
    assert header.split() == ["TIME", "KIND", "ACTOR", "CAUSE", "DETAIL"]
    assert [row.split()[2] for row in rows] == ["order", "power"]
    assert rows[1].endswith(f"power  alice  order {number}  stack 03 off")
    assert done.stderr == (
        "pirack: not listed: state, alert: Prometheus at http://127.0.0.1:1 cannot be reached\n"
    )


def test_targets_kinds_and_time_select_events(run: RunPirack, orders: OrderService) -> None:
    run_order(orders, "power_off", 3)
    run_order(orders, "power_off", 5)
    options = ("--kind", "power", "--kind", "order", "--since", "2d", "--json")
    activity = json.loads(run("activity", "3/2", *options).stdout)
    assert [event["kind"] for event in activity["events"]] == ["power", "order"]
    assert {tuple(event["stacks"]) for event in activity["events"]} == {(3,)}
    done = run("activity", "99")
    assert (done.returncode, done.stderr) == (
        2,
        "pirack: no stack 99: this rack has stacks 1 to 12\n",
    )
    assert "write 20m, 1h30m or 90s" in run("activity", "--since", "soon").stderr


def test_follow_prints_new_events_once_until_ctrl_c(
    on_terminal: Callable[..., Terminal], orders: OrderService
) -> None:
    run_order(orders, "power_off", 3)
    terminal = on_terminal("activity", "--follow", "--kind", "power")
    terminal.read_until("stack 03 off")
    run_order(orders, "power_off", 5)
    terminal.read_until("stack 05 off")
    terminal.process.send_signal(signal.SIGINT)
    output = terminal.read_all()
    assert terminal.process.returncode == 130
    assert len(re.findall("stack 03 off", output)) == 1
