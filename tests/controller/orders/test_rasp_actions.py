"""Orders of a controller for the rasps of a virtual rack."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.controller.api_client import OrderClient, detail, results
from tests.controller.rack_process import RackProcess, running_rack
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

ORDER_SETTINGS = """
boot_seconds = 60
shutdown_seconds = 30
disk_settle_seconds = 0
off_seconds = 0.5
"""


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("rack"), orders=ORDER_SETTINGS, boot_seconds=2.0
    ) as rack_process:
        rack_process.start_blackbox()
        rack_process.wait_until_up()
        yield rack_process


@pytest.fixture(scope="module")
def order_client(rack_process: RackProcess) -> OrderClient:
    return OrderClient(rack_process, rack_process.start_controller())


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, order_client: OrderClient) -> Iterator[None]:
    """Wait until all rasps are up, after each test."""
    yield
    rack_process.clear_fault("all")
    halted = {int(name[:2]) for name, phase in rack_process.phases.items() if phase == "halted"}
    if halted:
        order_client.run_order("stacks", ids=sorted(halted), action="power_cycle", force=True)
    rack_process.wait_until_up()


def test_ping_reports_reachability(rack_process: RackProcess, order_client: OrderClient) -> None:
    rack_process.inject_fault("2/1", "dead")
    wait_until(lambda: rack_process.exporters_reachable(2) == [False, True])
    order = order_client.submit("rack", action="ping")
    assert (order["state"], order["result"]) == ("done", "failed")
    assert results(order) == {
        name: "failed" if name == "02-1" else "ok" for name in rack_process.phases
    }
    assert detail(order, "02-1") == "no reply"


def test_read_returns_samples(order_client: OrderClient) -> None:
    targets = ["01-1", 2, "rasp-03-1", "3/2"]
    order = order_client.submit(
        "rasps", ids=targets, action="read", alias="cpu_temperature_celsius"
    )
    assert results(order) == dict.fromkeys(["01-1", "01-2", "03-1", "03-2"], "ok")
    [reading] = order["results"][0]["readings"]
    assert 20 < reading["value"] < 90


def test_read_fails_if_exporter_hangs(rack_process: RackProcess, order_client: OrderClient) -> None:
    rack_process.inject_fault("1/1", "hang")
    order = order_client.submit("rasps", ids=[1, 2], action="read", alias="cpu_load1")
    assert results(order) == {"01-1": "failed", "01-2": "ok"}
    assert detail(order, "01-1") == "the exporter did not respond within 6 s"


def test_action_returns_its_output(order_client: OrderClient) -> None:
    order = order_client.run_order("rasps", id=3, action="uptime")
    assert order["result"] == "ok"
    assert "load average" in order["results"][0]["output"]


def test_reboot_finishes_when_rasp_is_back(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.submit("rasps", id=6, action="reboot")
    phases: set[str] = set()
    reboot = order_client.wait(order, lambda: phases.add(rack_process.phases["03-2"]))
    assert reboot["result"] == "ok"
    assert detail(reboot, "03-2").startswith("back after ")
    assert "booting" in phases
    assert rack_process.phases["03-2"] == "up"


def test_shutdown_finishes_when_rasp_is_down(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.run_order("rasps", id=4, action="shutdown")
    assert order["result"] == "ok"
    assert detail(order, "02-2").startswith("shut down after ")
    assert rack_process.phases["02-2"] == "halted"


@pytest.mark.parametrize(
    ("fault", "result", "reason"),
    [
        ("ssh-refuses", "failed", "connection refused"),
        ("new-host-key", "failed", "presented the host key"),
        ("ssh-slow", "ok", ""),
        ("dead", "failed", "sync was not started"),
    ],
)
def test_action_reports_ssh_errors(
    rack_process: RackProcess, order_client: OrderClient, fault: str, result: str, reason: str
) -> None:
    rack_process.inject_fault("1/2", fault)
    order = order_client.run_order("rasps", ids=[1, 2], action="sync")
    assert results(order) == {"01-1": "ok", "01-2": result}
    assert reason in detail(order, "01-2")


def test_hung_rasp_does_not_delay_others(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("1/2", "wedged")
    order = order_client.submit("rasps", ids=[1, 2], action="reboot")
    wait_until(lambda: results(order_client.get_order(order))["01-1"] == "ok")
    assert results(order_client.get_order(order))["01-2"] is None
    order_client.request("DELETE", f"orders/{order['id']}")
    rack_process.clear_fault("1/2")


def test_order_for_an_unknown_rasp_is_rejected(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    response = order_client.request("POST", "rasps/execute", id=7, action="ping")
    assert (response.status_code, response.json()["detail"]) == (
        404,
        "no rasp 7: this rack has rasps 1 to 6",
    )


def test_orders_are_listed_newest_first_and_filtered_by_target(order_client: OrderClient) -> None:
    first = order_client.submit("rasps", id=1, action="ping")
    second = order_client.submit("rasps", id=5, action="ping")
    recent = order_client.request("GET", "orders?limit=2").json()
    assert [order["id"] for order in recent] == [second["id"], first["id"]]
    for form in ("01-1", "rasp-01-1", "1/1"):
        found = order_client.request("GET", f"orders?q={form}").json()
        assert found[0]["id"] == first["id"]
        filtered = order_client.request("GET", f"orders?target={form}&action=ping").json()
        assert filtered[0]["id"] == first["id"]
    assert {tuple(order["targets"]) for order in filtered} <= {
        ("01-1",),
        tuple(f"0{stack}-{slot}" for stack in (1, 2, 3) for slot in (1, 2)),
    }


def audit_event(
    order_client: OrderClient, order: Mapping[str, Any], query: str = ""
) -> dict[str, Any]:
    """Return the event of an order. The order of another test may end later than this one."""
    events = order_client.request("GET", f"audit?{query}").json()
    return next(event for event in events if event["detail"].startswith(f"order {order['id']},"))


def test_audit_log_is_searched_by_every_printed_form(order_client: OrderClient) -> None:
    order = order_client.submit("rasps", id=1, action="ping")
    for form in ("01-1", "rasp-01-1", "1/1"):
        assert audit_event(order_client, order, f"q={form}")["targets"] == "01-1"


def test_audit_log_contains_actor_and_client_address_of_order(order_client: OrderClient) -> None:
    order = order_client.submit("rasps", id=1, action="ping")
    event = audit_event(order_client, order)
    expected = {
        "actor": "token:tests",
        "client_address": "127.0.0.1",
        "action": "ping",
        "targets": "01-1",
        "result": "ok",
    }
    assert expected.items() <= event.items()
    assert event["detail"] == f"order {order['id']}, done"
