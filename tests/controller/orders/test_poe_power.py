"""Power orders on a virtual rack whose rasps are powered by a PoE switch with a real snmpd."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests

from tests.controller.api_client import OrderClient, detail, results
from tests.controller.rack_process import RackProcess, running_rack
from tests.helpers.poe_layouts import poe_stacks, poe_table
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

ORDER_SETTINGS = """
boot_seconds = 60
shutdown_seconds = 12
disk_settle_seconds = 0.5
off_seconds = 0.5
max_booting = 2
"""


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    """Run a rack of two stacks of two rasps, which are up."""
    with running_rack(
        tmp_path,
        orders=ORDER_SETTINGS,
        boot_seconds=1.0,
        stacks=poe_stacks(2, 2),
        power_tables=poe_table(tmp_path),
    ) as rack_process:
        rack_process.start_blackbox()
        rack_process.wait_until_up()
        yield rack_process


@pytest.fixture
def order_client(rack_process: RackProcess) -> OrderClient:
    return OrderClient(rack_process, rack_process.start_controller())


def uptimes(rack_process: RackProcess, stacks: int, slots: int) -> Mapping[str, float]:
    """Return the uptime of each rasp that responds."""
    uptimes = {}
    for stack in range(1, stacks + 1):
        for slot in range(1, slots + 1):
            url = f"http://{rack_process.network_prefix}.{stack}.{slot}:9849/metrics"
            try:
                text = requests.get(url, timeout=TIMEOUT_SECONDS).text
            except requests.ConnectionError:
                continue
            [line] = [each for each in text.splitlines() if each.startswith("pirack_uptime_sec")]
            uptimes[f"{stack:02}-{slot}"] = float(line.split()[1])
    return uptimes


def test_power_off_of_one_rasp_takes_that_rasp_alone_down(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    before = uptimes(rack_process, 2, 2)
    assert len(before) == 4
    order = order_client.run_order("rasps", id="01-2", action="power_off")
    assert results(order) == {"01-2": "ok"}
    assert detail(order, "01-2") == "was shut down"
    after = uptimes(rack_process, 2, 2)
    assert sorted(after) == ["01-1", "02-1", "02-2"]
    assert all(after[name] >= before[name] for name in after)
    assert {name: outlet["power"] for name, outlet in rack_process.outlets.items()} == {
        "01-1": "on", "01-2": "off", "02-1": "on", "02-2": "on",
    }  # fmt: skip
    [edge] = order_client.request("GET", f"edges?order={order['id']}").json()
    assert (edge["stack"], edge["slot"], edge["is_on"]) == (1, 2, False)
    order = order_client.run_order("rasps", id="01-2", action="power_on")
    assert detail(order, "01-2").startswith("reachable after ")
    assert uptimes(rack_process, 2, 2)["01-1"] >= after["01-1"]


def max_booting(rack_process: RackProcess, order_client: OrderClient) -> int:
    """Switch the rack on. Return the largest number of rasps that booted at the same time."""
    booting: list[int] = []
    order = order_client.wait(
        order_client.submit("rack", action="power_on"),
        lambda: booting.append(list(rack_process.phases.values()).count("booting")),
    )
    assert order["result"] == "ok"
    return max(booting)


def test_whole_rack_is_switched_off_and_on_with_the_boot_limit(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    assert order_client.run_order("rack", action="power_off")["result"] == "ok"
    assert {each["power"] for each in rack_process.outlets.values()} == {"off"}
    assert max_booting(rack_process, order_client) <= 2
    assert {each["power"] for each in rack_process.outlets.values()} == {"on"}


@pytest.mark.verify
def test_rack_of_48_ports_is_switched_off_and_on_and_one_rasp_alone(tmp_path: Path) -> None:
    with running_rack(
        tmp_path,
        orders=ORDER_SETTINGS.replace("max_booting = 2", "max_booting = 8"),
        boot_seconds=1.0,
        stacks=poe_stacks(12, 4),
        power_tables=poe_table(tmp_path),
    ) as rack_process:
        rack_process.start_blackbox()
        rack_process.wait_until_up()
        order_client = OrderClient(rack_process, rack_process.start_controller())
        before = uptimes(rack_process, 12, 4)
        assert len(before) == 48
        assert results(order_client.run_order("rasps", id="07-3", action="power_off")) == {
            "07-3": "ok"
        }
        after = uptimes(rack_process, 12, 4)
        assert before.keys() - after.keys() == {"07-3"}
        assert all(after[name] >= before[name] for name in after)
        order_client.run_order("rack", action="power_off")
        assert {each["power"] for each in rack_process.outlets.values()} == {"off"}
        assert max_booting(rack_process, order_client) <= 8


def test_rasp_whose_port_is_unreachable_keeps_running_and_the_order_names_the_fix(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("all", "outlet-away")
    order = order_client.run_order("rasps", id="01-2", action="power_off", force=True)
    assert results(order) == {"01-2": "failed"}
    reason = detail(order, "01-2")
    assert reason.startswith("poe:2 (snmp 127.0.0.1")
    assert "no reply within" in reason
    assert rack_process.outlets["01-2"] == {"power": "on", "moves": 0}
    rack_process.clear_fault("all")
    order = order_client.run_order("rasps", id="01-2", action="power_off", force=True)
    assert detail(order, "01-2") == "its power was cut"


def test_port_that_accepts_a_command_and_does_nothing_is_reported(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("1/2", "outlet-lies")
    order = order_client.run_order("stacks", id=1, action="power_off", force=True)
    assert results(order) == {"01": "failed", "01-1": "ok", "01-2": "failed"}
    assert detail(order, "01-2").startswith("poe:2 (snmp 127.0.0.1")
    assert rack_process.phases["01-2"] == "up"


def test_power_of_a_rasp_returns_after_a_kill_in_its_power_cycle(tmp_path: Path) -> None:
    with running_rack(
        tmp_path,
        orders="off_seconds = 600\nboot_seconds = 60",
        stacks=poe_stacks(2, 2),
        power_tables=poe_table(tmp_path),
    ) as rack_process:
        rack_process.start_blackbox()
        controller = rack_process.start_controller()
        order_client = OrderClient(rack_process, controller)
        order = order_client.submit("rasps", id="01-2", action="power_cycle", force=True)
        wait_until(lambda: rack_process.outlets["01-2"]["power"] == "off")
        controller.stop(signal.SIGKILL)
        rack_process.end_off_time()
        order_client.use_controller(rack_process.start_controller())
        wait_until(lambda: rack_process.outlets["01-2"]["power"] == "on")
        assert order_client.get_order(order)["state"] == "interrupted"
        [returned] = order_client.request("GET", "orders?action=power_on").json()
        assert (returned["actor"], returned["targets"]) == ("power return", ["01-2"])
        moves = {name: outlet["moves"] for name, outlet in rack_process.outlets.items()}
        assert moves == {"01-1": 0, "01-2": 2, "02-1": 0, "02-2": 0}
