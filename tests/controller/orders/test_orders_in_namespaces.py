"""Orders of a controller on a namespace rack, with OpenSSH, pings and relays."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from controller.alerts.secret import load_or_create
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from tools.programs import find
from virtual_rack.demo.credentials import create_credentials

pytestmark = pytest.mark.process

API = "http://127.0.0.1:8080/api/v1.0"  # on the loopback interface of the master
ORDER_SETTINGS = """
[orders]
boot_seconds = 60
shutdown_seconds = 30
disk_settle_seconds = 0.2
off_seconds = 0.5
"""


class NamespaceOrderClient:
    """API client with a token, on the master of a namespace rack."""

    def __init__(self, rack_process: NamespaceRackProcess) -> None:
        self.rack_process = rack_process
        token = create_credentials(rack_process.state_folder / "pirack.db").token
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, path: str, **body: Any) -> Any:
        with self.rack_process.in_master_network():
            if body:
                response = requests.post(
                    f"{API}/{path}", json=body, headers=self._headers, timeout=TIMEOUT_SECONDS
                )
            else:
                response = requests.get(
                    f"{API}/{path}", headers=self._headers, timeout=TIMEOUT_SECONDS
                )
        assert response.ok, response.text
        return response.json()

    def is_up(self) -> bool:
        try:
            with self.rack_process.in_master_network():
                return requests.get("http://127.0.0.1:8080/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def run_order(self, scope: str, action: str, ids: list[int], **fields: Any) -> dict[str, Any]:
        """Submit an order and wait for it. Return the result of each target by name."""
        order = self.request(f"{scope}/execute", action=action, ids=ids, **fields)
        wait_until(lambda: self.request(f"orders/{order['id']}")["state"] == "done")
        finished = self.request(f"orders/{order['id']}")
        return {result["target"]: result for result in finished["results"]}


@pytest.fixture(scope="module")
def order_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceOrderClient]:
    """Run an installed rack and its controller."""
    folder = tmp_path_factory.mktemp("orders")
    with ExitStack() as stack:
        rack_process = stack.enter_context(
            running_namespace_rack(
                folder, "--boot-time", "0.5", stacks=3, slots=2, extra_tables=ORDER_SETTINGS
            )
        )
        order_client = NamespaceOrderClient(rack_process)
        targets = folder / "prometheus" / "targets"
        shutil.copytree("prometheus", folder / "prometheus")
        targets.mkdir(exist_ok=True)
        load_or_create(folder / "prometheus" / "secrets" / "alerts")
        blackbox, prometheus = find("blackbox_exporter"), find("prometheus")
        stack.enter_context(
            rack_process.running_on_master(
                *blackbox.command, "--config.file=prometheus/blackbox.yml"
            )
        )
        stack.enter_context(
            rack_process.running_on_master(
                *prometheus.command,
                f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
            )
        )
        stack.enter_context(
            rack_process.running_on_master(
                *(sys.executable, "-m", "controller", "--rack", str(rack_process.rack_toml)),
                *("--db", str(rack_process.state_folder / "pirack.db"), "--targets", str(targets)),
            )
        )
        wait_until(order_client.is_up)
        rack_process.wait_until_all_answer()
        yield order_client


def test_prometheus_distinguishes_up_and_off(
    order_client: NamespaceOrderClient,
) -> None:
    def states() -> list[str]:
        return [rasp["state"] for rasp in order_client.request("rasps")]

    wait_until(lambda: states() == ["up"] * 6)
    order_client.run_order("stacks", "power_off", [2], force=True)
    wait_until(lambda: states() == ["up", "up", "off", "off", "up", "up"])
    order_client.run_order("stacks", "power_on", [2])


def results_by_target(results: dict[str, Any]) -> dict[str, str]:
    return {target: result["result"] for target, result in results.items()}


def test_ping_and_read_return_results(order_client: NamespaceOrderClient) -> None:
    assert results_by_target(order_client.run_order("rasps", "ping", [1, 6])) == {
        "01-1": "ok",
        "03-2": "ok",
    }
    results = order_client.run_order("rasps", "read", [1], alias="cpu_temperature_celsius")
    assert 20 < results["01-1"]["readings"][0]["value"] < 90


def test_action_returns_its_output(order_client: NamespaceOrderClient) -> None:
    results = order_client.run_order("rasps", "uptime", [3, 4])
    assert results_by_target(results) == {"02-1": "ok", "02-2": "ok"}
    assert "load average" in results["02-1"]["output"]


def test_reboot_finishes_when_rasp_is_back(order_client: NamespaceOrderClient) -> None:
    dhcp_messages = order_client.rack_process.dhcpd_log.count("from b8:27:eb:23:01:02")
    assert results_by_target(order_client.run_order("rasps", "reboot", [2])) == {"01-2": "ok"}
    assert order_client.rack_process.dhcpd_log.count("from b8:27:eb:23:01:02") > dhcp_messages
    assert order_client.rack_process.answers("01-2")


def test_stack_is_shut_down_before_cut_and_boots_again(
    order_client: NamespaceOrderClient,
) -> None:
    results = order_client.run_order("stacks", "power_off", [2])
    assert results_by_target(results) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    assert order_client.rack_process.phases["02-1"] == "off"
    assert not order_client.rack_process.answers_ping("10.23.2.1")
    for name in ("02-1", "02-2"):
        assert "Accepted publickey for root" in order_client.rack_process.console_log(name)
    results = order_client.run_order("stacks", "power_on", [2])
    assert results_by_target(results) == {"02": "ok", "02-1": "ok", "02-2": "ok"}
    order_client.rack_process.wait_until_answers("02-2")


def test_power_cycle_boots_halted_rasp(
    order_client: NamespaceOrderClient,
) -> None:
    assert results_by_target(order_client.run_order("rasps", "shutdown", [5])) == {"03-1": "ok"}
    assert order_client.rack_process.phases["03-1"] == "halted"
    assert results_by_target(order_client.run_order("stacks", "power_cycle", [3]))["03"] == "ok"
    order_client.rack_process.wait_until_answers("03-1")


def test_failed_action_is_reported_and_other_actions_run(
    order_client: NamespaceOrderClient,
) -> None:
    rack_process = order_client.rack_process
    rack_process.inject_fault("1/1", "ssh-refuses")
    rack_process.inject_fault("1/2", "new-host-key")
    wait_until(lambda: "refused" in rack_process.ssh("01-1", "uptime").stderr)
    wait_until(lambda: "HOST IDENTIFICATION" in rack_process.ssh("01-2", "uptime").stderr)
    results = order_client.run_order("rasps", "uptime", [1, 2, 3])
    assert results_by_target(results) == {"01-1": "failed", "01-2": "failed", "02-1": "ok"}
    assert "host key" in results["01-2"]["detail"]
    rack_process.clear_faults("1")
    wait_until(lambda: rack_process.ssh("01-1", "uptime").returncode == 0)


def test_stuck_relay_is_detected(order_client: NamespaceOrderClient) -> None:
    order_client.rack_process.inject_fault("3", "stuck-relay")
    results = order_client.run_order("stacks", "power_off", [3], force=True)
    assert results_by_target(results)["03"] == "failed"
    assert "the relay is stuck" in results["03"]["detail"]
    order_client.rack_process.clear_faults("3")
    assert results_by_target(order_client.run_order("stacks", "power_on", [3]))["03"] == "ok"
