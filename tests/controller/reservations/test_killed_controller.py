"""Reservations of a real controller that is killed, on a virtual rack."""

import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
import requests

from tests.controller.api_client import OrderClient
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

_MAX_SECONDS_UNTIL_KILL = 0.7
_IMMEDIATE_ORDERS = """
boot_seconds = 0.1
shutdown_seconds = 0.1
disk_settle_seconds = 0
off_seconds = 0.1
"""


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    with running_rack(tmp_path, orders=_IMMEDIATE_ORDERS) as process:
        yield process


def _reserve_until_killed(client: OrderClient, random: Random, received: list[Any]) -> None:
    """Reserve and hand back until the controller is killed. Append the responses."""
    try:
        while True:
            selection = random.choice(["1 stack", "stack 2", "all"])
            reserved = client.request("POST", "reservations", selection=selection, seconds=600)
            if not reserved.ok:  # the queue is full
                return
            received.append(reserved.json())
            if random.random() < 0.3:
                ended = client.request("DELETE", f"reservations/{reserved.json()['id']}")
                received.append(ended.json())
    except requests.RequestException:  # no response, or a part of it
        return


def _kill_and_compare(rack_process: RackProcess, controller: ControllerProcess, seed: int) -> None:
    """Kill the controller while two users reserve. Compare what they received with its restart."""
    random, received = Random(seed), list[Any]()
    users = [OrderClient(rack_process, controller, f"user-{seed}-{number}") for number in (1, 2)]
    threads = [
        Thread(target=_reserve_until_killed, args=(user, Random(random.random()), received))
        for user in users
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: received)
    threads[0].join(random.uniform(0, _MAX_SECONDS_UNTIL_KILL))
    controller.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()

    restarted = rack_process.start_controller()
    user = users[0].use_controller(restarted)
    latest = {each["id"]: each for each in received}
    for number, expected in latest.items():
        stored = user.request("GET", f"reservations/{number}").json()
        for field in ("owner", "selection", "seconds", "queued_at"):
            assert stored[field] == expected[field]
        if expected["state"] == "ended":
            assert stored["end_reason"] == expected["end_reason"]
        if expected["state"] == "active" and stored["state"] == "active":
            assert stored["stacks"] == expected["stacks"]
            assert stored["ends_at"] == pytest.approx(expected["ends_at"], abs=2)
    active = [each for each in restarted.get("reservations") if each["state"] == "active"]
    stacks = [stack for each in active for stack in each["stacks"]]
    assert len(stacks) == len(set(stacks))
    restarted.stop(signal.SIGKILL)


def test_kill_loses_no_reservation(rack_process: RackProcess) -> None:
    _kill_and_compare(rack_process, rack_process.start_controller(), seed=1)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 12))
def test_kill_at_any_time_loses_no_reservation(rack_process: RackProcess, seed: int) -> None:
    _kill_and_compare(rack_process, rack_process.start_controller(), seed)


def test_power_returns_and_the_next_user_gets_the_stacks_at_the_end(
    rack_process: RackProcess,
) -> None:
    controller = rack_process.start_controller()
    anna, ben = (OrderClient(rack_process, controller, name) for name in ("anna", "ben"))
    first = anna.request("POST", "reservations", selection="stack 1", seconds=15).json()
    second = ben.request("POST", "reservations", selection="stack 1", seconds=600).json()
    refused = ben.request("POST", "stacks/execute", ids=[1], action="power_off", force=True)
    assert refused.status_code == 409
    assert "stack 01 is reserved for token:anna until " in refused.json()["detail"]
    anna.run_order("stacks", ids=[1], action="power_off", force=True)
    assert rack_process.power[0] == "off"
    controller.stop(signal.SIGKILL)

    restarted = rack_process.start_controller()
    wait_until(lambda: restarted.get(f"reservations/{second['id']}")["state"] == "active")
    assert restarted.get(f"reservations/{first['id']}")["end_reason"] == "its time is over"
    assert rack_process.power[0] == "on"
    ben.use_controller(restarted).run_order("stacks", ids=[1], action="power_off", force=True)
    anna.use_controller(restarted)
    refused = anna.request("POST", "stacks/execute", ids=[1], action="power_on")
    assert refused.status_code == 409
