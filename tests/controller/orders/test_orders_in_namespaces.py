"""The controller on the master of a rack of namespaces: orders by real SSH, pings and relays."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.helpers.waiting import wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from tools.programs import find
from virtual_rack.demo.credentials import create_credentials

API = "http://127.0.0.1:8080/api/v1.0"  # of the master's own loopback
ORDER_SETTINGS = """
[orders]
boot_seconds = 20
shutdown_seconds = 10
disk_settle_seconds = 0.2
off_seconds = 0.5
"""


class NamespaceOrderClient:
    """Places orders as a program does that has a token."""

    def __init__(self, rack_process: NamespaceRackProcess) -> None:
        self.rack_process = rack_process
        token = create_credentials(rack_process.state_folder / "pirack.db").token
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, path: str, **body: Any) -> Any:
        with self.rack_process.in_master_network():
            if body:
                reply = requests.post(f"{API}/{path}", json=body, headers=self._headers, timeout=10)
            else:
                reply = requests.get(f"{API}/{path}", headers=self._headers, timeout=10)
        assert reply.ok, reply.text
        return reply.json()

    def is_up(self) -> bool:
        try:
            with self.rack_process.in_master_network():
                return requests.get("http://127.0.0.1:8080/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def run_order(self, scope: str, action: str, ids: list[int], **fields: Any) -> dict[str, Any]:
        """Place an order and wait for its end; return the result of each target by name."""
        order = self.request(f"{scope}/execute", action=action, ids=ids, **fields)
        wait_until(lambda: self.request(f"orders/{order['id']}")["state"] == "done", timeout=60)
        ended = self.request(f"orders/{order['id']}")
        return {each["target"]: each for each in ended["results"]}


@pytest.fixture(scope="module")
def order_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceOrderClient]:
    """A rack as after an install, and its controller."""
    folder = tmp_path_factory.mktemp("orders")
    with ExitStack() as stack:
        words = ("--boot-time", "0.5")
        room = stack.enter_context(
            running_namespace_rack(folder, *words, stacks=3, slots=2, extra_tables=ORDER_SETTINGS)
        )
        orders = NamespaceOrderClient(room)
        targets = folder / "prometheus" / "targets"
        shutil.copytree("prometheus", folder / "prometheus")
        targets.mkdir(exist_ok=True)
        blackbox, prometheus = find("blackbox_exporter"), find("prometheus")
        stack.enter_context(
            room.running_on_master(*blackbox.command, "--config.file=prometheus/blackbox.yml")
        )
        stack.enter_context(
            room.running_on_master(
                *prometheus.command,
                f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
            )
        )
        stack.enter_context(
            room.running_on_master(
                *(sys.executable, "-m", "controller", "--rack", str(room.rack_toml)),
                *("--db", str(room.state_folder / "pirack.db"), "--targets", str(targets)),
            )
        )
        wait_until(orders.is_up)
        room.wait_until_all_answer()
        yield orders


def test_prometheus_sees_who_is_up_and_who_is_off_on_purpose(
    order_client: NamespaceOrderClient,
) -> None:
    def states() -> list[str]:
        return [rasp["state"] for rasp in order_client.request("rasps")]

    wait_until(lambda: states() == ["up"] * 6, timeout=60)
    order_client.run_order("stacks", "power_off", [2], force=True)
    wait_until(lambda: states() == ["up", "up", "off", "off", "up", "up"], timeout=60)
    order_client.run_order("stacks", "power_on", [2])


def results_by_target(results: dict[str, Any]) -> dict[str, str]:
    return {target: each["result"] for target, each in results.items()}


def test_a_rasp_answers_a_ping_and_tells_its_readings(order_client: NamespaceOrderClient) -> None:
    assert results_by_target(order_client.run_order("rasps", "ping", [1, 6])) == {
        "01-1": "ok",
        "03-2": "ok",
    }
    read = order_client.run_order("rasps", "read", [1], alias="cpu_temperature_celsius")
    assert 20 < read["01-1"]["readings"][0]["value"] < 90


def test_an_action_shows_what_it_said(order_client: NamespaceOrderClient) -> None:
    done = order_client.run_order("rasps", "uptime", [3, 4])
    assert results_by_target(done) == {"02-1": "ok", "02-2": "ok"}
    assert "load average" in done["02-1"]["output"]


def test_a_reboot_is_seen_through(order_client: NamespaceOrderClient) -> None:
    before = order_client.rack_process.dhcpd_log.count("from b8:27:eb:23:01:02")
    assert results_by_target(order_client.run_order("rasps", "reboot", [2])) == {"01-2": "ok"}
    assert order_client.rack_process.dhcpd_log.count("from b8:27:eb:23:01:02") > before
    assert order_client.rack_process.answers("01-2")


def test_a_stack_is_shut_down_before_it_is_cut_and_comes_back(
    order_client: NamespaceOrderClient,
) -> None:
    done = order_client.run_order("stacks", "power_off", [2])
    assert results_by_target(done) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    assert order_client.rack_process.phases["02-1"] == "off"
    assert not order_client.rack_process.answers_ping("10.23.2.1")
    for name in ("02-1", "02-2"):
        assert "Accepted publickey for root" in order_client.rack_process.console_log(name)
    done = order_client.run_order("stacks", "power_on", [2])
    assert results_by_target(done) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    order_client.rack_process.wait_until_answers("02-2")


def test_a_shut_down_rasp_comes_back_with_its_stacks_power_alone(
    order_client: NamespaceOrderClient,
) -> None:
    assert results_by_target(order_client.run_order("rasps", "shutdown", [5])) == {"03-1": "ok"}
    assert order_client.rack_process.phases["03-1"] == "halted"
    assert results_by_target(order_client.run_order("stacks", "power_cycle", [3]))["03"] == "ok"
    order_client.rack_process.wait_until_answers("03-1")


def test_what_a_rasp_does_not_do_is_told_and_the_others_do_it(
    order_client: NamespaceOrderClient,
) -> None:
    room = order_client.rack_process
    room.inject_fault("1/1", "ssh-refuses")
    room.inject_fault("1/2", "new-host-key")
    wait_until(lambda: "refused" in room.ssh("01-1", "uptime").stderr)
    wait_until(lambda: "HOST IDENTIFICATION" in room.ssh("01-2", "uptime").stderr)
    done = order_client.run_order("rasps", "uptime", [1, 2, 3])
    assert results_by_target(done) == {"01-1": "failed", "01-2": "failed", "02-1": "ok"}
    assert "host key" in done["01-2"]["detail"]
    room.clear_faults("1")
    wait_until(lambda: room.ssh("01-1", "uptime").returncode == 0)


def test_a_stuck_relay_is_found_out(order_client: NamespaceOrderClient) -> None:
    order_client.rack_process.inject_fault("3", "stuck-relay")
    done = order_client.run_order("stacks", "power_off", [3], force=True)
    assert results_by_target(done)["03"] == "failed"
    assert "its relay is stuck" in done["03"]["detail"]
    order_client.rack_process.clear_faults("3")
    assert results_by_target(order_client.run_order("stacks", "power_on", [3]))["03"] == "ok"
