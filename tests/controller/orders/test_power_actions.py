"""Orders on power, by the real controller on a virtual rack: nothing is cut that still runs."""

import signal
from collections.abc import Iterator
from resource import RLIMIT_FSIZE, prlimit

import pytest

from tests.controller.api_client import OrderClient, detail, results
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import wait_until

ORDER_SETTINGS = """
boot_seconds = 8
shutdown_seconds = 4
disk_settle_seconds = 0.2
off_seconds = 0.5
max_booting = 2
"""
STACK_2_TARGETS = ("02", "02-1", "02-2")


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("room"), orders=ORDER_SETTINGS, boot_seconds=0.8
    ) as room:
        room.start_blackbox()
        wait_until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture(scope="module")
def order_client(rack_process: RackProcess, controller: ControllerProcess) -> OrderClient:
    return OrderClient(rack_process, controller)


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, order_client: OrderClient) -> Iterator[None]:
    """Whatever a test did to the rack, the next one finds all stacks on and all rasps up."""
    yield
    rack_process.clear_fault("all")
    down = {int(name[:2]) for name, phase in rack_process.phases.items() if phase != "up"}
    if down:
        order_client.run_order("stacks", ids=sorted(down), action="power_cycle", force=True)
    wait_until(lambda: set(rack_process.phases.values()) == {"up"})


def test_a_stack_is_shut_down_before_it_is_cut(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.submit("stacks", id=2, action="power_off")
    seen: list[tuple[str, str]] = []
    over = order_client.wait(
        order, lambda: seen.append((rack_process.power[1], rack_process.phases["02-1"]))
    )
    assert results(over) == dict.fromkeys(STACK_2_TARGETS, "ok")
    assert detail(over, "02-1") == "was shut down"
    assert ("on", "halted") in seen
    assert ("off", "up") not in seen
    assert rack_process.power == ["on", "off", "on"]
    back = order_client.run_order("stacks", id=2, action="power_on")
    assert results(back) == dict.fromkeys(STACK_2_TARGETS, "ok")
    assert detail(back, "02-1").startswith("answers after ")


def test_a_rasp_that_does_not_shut_down_is_told_and_does_not_hold_up_the_cut(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "wedged")
    order = order_client.run_order("stacks", id=2, action="power_off")
    assert results(order) == {"02": "ok", "02-1": "failed", "02-2": "ok"}
    assert "its power was cut all the same" in detail(order, "02-1")
    assert rack_process.power[1] == "off"


def test_a_rasp_that_was_dead_before_is_unknown_and_the_others_are_shut_down(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "dead")
    order = order_client.run_order("stacks", id=2, action="power_off")
    assert (results(order), order["result"]) == (
        {"02": "ok", "02-1": "unknown", "02-2": "ok"},
        "unknown",
    )
    assert detail(order, "02-1") == "did not answer before; its power was cut all the same"


def test_force_cuts_at_once(rack_process: RackProcess, order_client: OrderClient) -> None:
    order = order_client.run_order("stacks", id=2, action="power_off", force=True)
    assert order["ended"] - order["began"] < 4  # of which shutting down would take all
    assert detail(order, "02-1") == "its power was cut"


def test_a_cycle_brings_back_what_was_halted(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order_client.run_order("rasps", id=3, action="shutdown")
    order = order_client.run_order("stacks", id=2, action="power_cycle")
    assert results(order)["02"] == "ok"
    assert detail(order, "02-2").startswith("was shut down; answers after ")
    assert rack_process.power == ["on"] * 3


def test_a_whole_rack_never_boots_more_rasps_at_once_than_it_may(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    off = order_client.run_order("rack", action="power_off")
    assert off["result"] == "ok"
    assert rack_process.power == ["off"] * 3
    booting: list[int] = []
    on = order_client.wait(
        order_client.submit("rack", action="power_on"),
        lambda: booting.append(list(rack_process.phases.values()).count("booting")),
    )
    assert on["result"] == "ok"
    assert 0 < max(booting) <= 2


def test_a_relay_that_is_stuck_is_told(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("3", "stuck-relay")
    order = order_client.run_order("stacks", id=3, action="power_off", force=True)
    assert results(order) == {"03": "failed", "03-1": "failed", "03-2": "failed"}
    assert "its relay is stuck" in detail(order, "03")


def test_a_stack_takes_one_order_at_a_time(order_client: OrderClient) -> None:
    first = order_client.submit("stacks", id=2, action="power_cycle")
    answer = order_client.request("POST", "rasps/execute", id=3, action="reboot")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(
        f"stack 2 is busy with order {first['id']}: power_cycle"
    )
    assert (
        order_client.request("GET", "stacks/2").json()["busy"]
        == f"order {first['id']}: power_cycle"
    )
    assert order_client.submit("rasps", id=1, action="ping")["result"] == "ok"
    assert order_client.wait(first)["result"] == "ok"


def test_a_cancelled_order_begins_nothing_more(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order_client.run_order("rack", action="power_off", force=True)
    order = order_client.submit("rack", action="power_on")
    wait_until(lambda: rack_process.power.count("on") == 1)
    assert order_client.request("DELETE", f"orders/{order['id']}").json()["state"] == "cancelling"
    over = order_client.wait(order)
    assert over["state"] == "cancelled"
    assert sorted(results(over)[stack] for stack in ("01", "02", "03")).count("failed") == (
        3 - rack_process.power.count("on")
    )
    assert rack_process.power.count("on") < 3
    again = order_client.request("DELETE", f"orders/{order['id']}")
    assert (again.status_code, again.json()["detail"]) == (
        409,
        f"order {order['id']} is over: it is cancelled",
    )


def test_cancelling_before_the_cut_leaves_the_power(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "wedged")
    order = order_client.submit("stacks", id=2, action="power_off")
    wait_until(lambda: rack_process.phases["02-2"] == "halted")
    order_client.request("DELETE", f"orders/{order['id']}")
    over = order_client.wait(order)
    assert over["state"] == "cancelled"
    assert rack_process.power[1] == "on"
    assert detail(over, "02") == "cancelled: it keeps its power"


def test_a_dry_run_tells_what_would_go_down_and_does_nothing(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    before = rack_process.relay_moves
    answer = order_client.request("POST", "stacks/execute", id=2, action="power_off", dry_run=True)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["takes_down"], told["stacks"]) == (["02-1", "02-2"], [2])
    assert rack_process.relay_moves == before


def test_without_blackbox_power_works_and_what_nobody_saw_is_unknown(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.stop_blackbox()
    try:
        off = order_client.run_order("stacks", id=2, action="power_off", force=True)
        assert rack_process.power == ["on", "off", "on"]
        assert results(off) == dict.fromkeys(STACK_2_TARGETS, "unknown")
    finally:
        rack_process.start_blackbox()
    assert order_client.run_order("stacks", id=2, action="power_on")["result"] == "ok"


def test_where_nothing_can_be_written_an_order_is_refused_and_no_relay_moves(
    rack_process: RackProcess, controller: ControllerProcess, order_client: OrderClient
) -> None:
    before = rack_process.relay_moves
    _, most = prlimit(controller.process.pid, RLIMIT_FSIZE, (0, -1))
    try:
        answer = order_client.request(
            "POST", "stacks/execute", id=2, action="power_off", force=True
        )
    finally:
        prlimit(controller.process.pid, RLIMIT_FSIZE, (-1, most))
    assert answer.status_code == 503, answer.text
    assert "nothing was written" in answer.json()["detail"]
    assert rack_process.relay_moves == before
    assert order_client.run_order("stacks", id=2, action="power_off", force=True)["result"] == "ok"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_order_that_a_controller_left_open_is_interrupted_and_its_relays_stay(
    tmp_path_factory: pytest.TempPathFactory, how: signal.Signals
) -> None:
    with running_rack(tmp_path_factory.mktemp("room"), orders="off_seconds = 60") as room:
        room.start_blackbox()
        controller = room.start_controller()
        operator = OrderClient(room, controller)
        order = operator.submit("stacks", id=2, action="power_cycle", force=True)
        wait_until(lambda: operator.get_order(order)["results"][0]["stage"] == "off")
        controller.stop(how)
        assert room.power == ["on", "off", "on"]
        after = operator.use_controller(room.start_controller()).get_order(order)
        assert (after["state"], after["result"]) == ("interrupted", "unknown")
        assert "the controller ended before this order did" in detail(after, "02")
        assert room.power == ["on", "off", "on"]
        assert operator.request("GET", "audit?q=power_cycle").json()[0]["result"] == "unknown"
        assert operator.request("GET", "stacks/2").json()["busy"] == ""
