"""Orders on rasps, by the real controller on a virtual rack."""

from collections.abc import Iterator

import pytest

from tests.controller.api_client import OrderClient, detail, results
from tests.controller.rack_process import RackProcess, running_rack
from tests.helpers.waiting import wait_until

ORDER_SETTINGS = """
boot_seconds = 8
shutdown_seconds = 4
disk_settle_seconds = 0
off_seconds = 0.5
"""


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("room"), orders=ORDER_SETTINGS, boot_seconds=1.0
    ) as room:
        room.start_blackbox()
        wait_until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def order_client(rack_process: RackProcess) -> OrderClient:
    return OrderClient(rack_process, rack_process.start_controller())


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, order_client: OrderClient) -> Iterator[None]:
    """Whatever a test did to the rack, the next one finds all rasps up."""
    yield
    rack_process.clear_fault("all")
    halted = {int(name[:2]) for name, phase in rack_process.phases.items() if phase == "halted"}
    if halted:
        order_client.run_order("stacks", ids=sorted(halted), action="power_cycle", force=True)
    wait_until(lambda: set(rack_process.phases.values()) == {"up"})


def test_a_ping_tells_who_answers_now(rack_process: RackProcess, order_client: OrderClient) -> None:
    rack_process.inject_fault("2/1", "dead")
    wait_until(lambda: rack_process.exporters_reachable(2) == [False, True])
    order = order_client.submit("rack", action="ping")
    assert (order["state"], order["result"]) == ("done", "failed")
    assert results(order) == {
        name: "failed" if name == "02-1" else "ok" for name in rack_process.phases
    }
    assert detail(order, "02-1") == "no answer"


def test_an_alias_is_read_now(order_client: OrderClient) -> None:
    order = order_client.submit("rasps", ids=[1, 2], action="read", alias="cpu_temperature_celsius")
    assert results(order) == {"01-1": "ok", "01-2": "ok"}
    [reading] = order["results"][0]["readings"]
    assert 20 < reading["value"] < 90


def test_an_alias_of_an_exporter_that_hangs_is_not_read(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("1/1", "hang")
    order = order_client.submit("rasps", ids=[1, 2], action="read", alias="cpu_load1")
    assert results(order) == {"01-1": "failed", "01-2": "ok"}
    assert detail(order, "01-1") == "its exporter gave no answer in 6 s"


def test_an_action_gives_back_what_it_printed(order_client: OrderClient) -> None:
    order = order_client.run_order("rasps", id=3, action="uptime")
    assert order["result"] == "ok"
    assert "load average" in order["results"][0]["output"]


def test_a_reboot_is_over_when_the_rasp_is_back(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.submit("rasps", id=6, action="reboot")
    seen: set[str] = set()
    over = order_client.wait(order, lambda: seen.add(rack_process.phases["03-2"]))
    assert over["result"] == "ok"
    assert detail(over, "03-2").startswith("back after ")
    assert "booting" in seen
    assert rack_process.phases["03-2"] == "up"


def test_a_shutdown_is_over_when_the_rasp_is_gone(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.run_order("rasps", id=4, action="shutdown")
    assert order["result"] == "ok"
    assert detail(order, "02-2").startswith("gone after ")
    assert rack_process.phases["02-2"] == "halted"


@pytest.mark.parametrize(
    ("fault", "result", "why"),
    [
        ("ssh-refuses", "failed", "connection refused"),
        ("new-host-key", "failed", "shows the host key"),
        ("ssh-slow", "ok", ""),
        ("dead", "failed", "was not asked for sync"),
    ],
)
def test_an_action_has_a_true_result_whatever_ssh_does(
    rack_process: RackProcess, order_client: OrderClient, fault: str, result: str, why: str
) -> None:
    rack_process.inject_fault("1/2", fault)
    order = order_client.run_order("rasps", ids=[1, 2], action="sync")
    assert results(order) == {"01-1": "ok", "01-2": result}
    assert why in detail(order, "01-2")


def test_a_rasp_that_hangs_after_connecting_does_not_hold_up_the_others(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("1/2", "wedged")
    order = order_client.submit("rasps", ids=[1, 2], action="reboot")
    wait_until(lambda: results(order_client.get_order(order))["01-1"] == "ok")
    assert results(order_client.get_order(order))["01-2"] is None
    order_client.request("DELETE", f"orders/{order['id']}")
    rack_process.clear_fault("1/2")


def test_a_rasp_in_no_slot_is_not_asked(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    # Only the six slots of the layout are there.
    answer = order_client.request("POST", "rasps/execute", id=7, action="ping")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "no rasp 7: this rack has rasps 1 to 6",
    )


def test_orders_are_listed_the_newest_first_and_found_by_target(order_client: OrderClient) -> None:
    first = order_client.submit("rasps", id=1, action="ping")
    second = order_client.submit("rasps", id=5, action="ping")
    listed = order_client.request("GET", "orders?limit=2").json()
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    of_one = order_client.request("GET", "orders?target=01-1&action=ping").json()
    assert of_one[0]["id"] == first["id"]
    assert {tuple(each["targets"]) for each in of_one} <= {
        ("01-1",),
        tuple(f"0{stack}-{slot}" for stack in (1, 2, 3) for slot in (1, 2)),
    }


def test_an_order_is_in_the_audit_with_who_and_from_where(order_client: OrderClient) -> None:
    order = order_client.submit("rasps", id=1, action="ping")
    event = order_client.request("GET", "audit?limit=1").json()[0]
    assert {name: event[name] for name in ("who", "origin", "what", "targets", "result")} == {
        "who": "token:tests",
        "origin": "127.0.0.1",
        "what": "ping",
        "targets": "01-1",
        "result": "ok",
    }
    assert event["detail"] == f"order {order['id']}, done"
