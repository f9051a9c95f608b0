"""Power orders of a controller on a virtual rack."""

import signal
from collections.abc import Iterator
from resource import RLIMIT_FSIZE, prlimit

import pytest

from tests.controller.api_client import OrderClient, detail, results
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

ORDER_SETTINGS = """
boot_seconds = 60
shutdown_seconds = 12
disk_settle_seconds = 1.5
off_seconds = 0.5
max_booting = 2
"""
STACK_2_TARGETS = ("02", "02-1", "02-2")


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("rack"), orders=ORDER_SETTINGS, boot_seconds=2.0
    ) as rack_process:
        rack_process.start_blackbox()
        rack_process.wait_until_up()
        yield rack_process


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture(scope="module")
def order_client(rack_process: RackProcess, controller: ControllerProcess) -> OrderClient:
    return OrderClient(rack_process, controller)


@pytest.fixture(autouse=True)
def restore_rack(rack_process: RackProcess, order_client: OrderClient) -> Iterator[None]:
    """Switch all stacks on and wait until all rasps are up, after each test."""
    yield
    rack_process.clear_fault("all")
    down = {int(name[:2]) for name, phase in rack_process.phases.items() if phase != "up"}
    if down:
        order_client.run_order("stacks", ids=sorted(down), action="power_cycle", force=True)
    rack_process.wait_until_up()


def test_power_off_shuts_rasps_down_before_cut(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.submit("stacks", id=2, action="power_off")
    observed: list[tuple[str, str]] = []
    power_off = order_client.wait(
        order, lambda: observed.append((rack_process.power[1], rack_process.phases["02-1"]))
    )
    assert results(power_off) == dict.fromkeys(STACK_2_TARGETS, "ok")
    assert detail(power_off, "02-1") == "was shut down"
    assert detail(power_off, "02") == (
        "power cut commanded, not observed: its rasps were already down"
    )
    assert ("on", "halted") in observed
    assert ("off", "up") not in observed
    assert rack_process.power == ["on", "off", "on"]
    power_on = order_client.run_order("stacks", id=2, action="power_on")
    assert results(power_on) == dict.fromkeys(STACK_2_TARGETS, "ok")
    assert detail(power_on, "02-1").startswith("reachable after ")


def test_power_off_reports_failed_shutdown_and_cuts_power_anyway(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "wedged")
    order = order_client.run_order("stacks", id=2, action="power_off")
    assert results(order) == {"02": "ok", "02-1": "failed", "02-2": "ok"}
    assert detail(order, "02-1").endswith("; its power was cut")
    assert detail(order, "02") == "power cut observed: 02-1 stopped replying"
    assert rack_process.power[1] == "off"


def test_power_off_reports_unreachable_rasp_as_unknown_and_shuts_down_others(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "dead")
    order = order_client.run_order("stacks", id=2, action="power_off")
    assert (results(order), order["result"]) == (
        {"02": "ok", "02-1": "unknown", "02-2": "ok"},
        "unknown",
    )
    assert detail(order, "02-1") == ("was not reachable before; power cut commanded, not observed")


def test_forced_power_off_cuts_power_without_shutdown(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order = order_client.run_order("stacks", id=2, action="power_off", force=True)
    assert order["finished_at"] - order["started_at"] < 12  # shutdown_seconds
    assert detail(order, "02-1") == "its power was cut"
    assert detail(order, "02") == "power cut observed: 02-1, 02-2 stopped replying"


def test_power_cycle_boots_halted_rasp(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order_client.run_order("rasps", id=3, action="shutdown")
    order = order_client.run_order("stacks", id=2, action="power_cycle")
    assert results(order)["02"] == "ok"
    assert detail(order, "02") == "power cut confirmed: 02-2 booted after the shutdown; is on"
    assert detail(order, "02-2").startswith("was shut down; reachable after ")
    assert rack_process.power == ["on"] * 3


def test_rack_power_on_boots_at_most_max_booting_rasps_at_once(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    power_off = order_client.run_order("rack", action="power_off")
    assert power_off["result"] == "ok"
    assert rack_process.power == ["off"] * 3
    booting: list[int] = []
    power_on = order_client.wait(
        order_client.submit("rack", action="power_on"),
        lambda: booting.append(list(rack_process.phases.values()).count("booting")),
    )
    assert power_on["result"] == "ok"
    assert 0 < max(booting) <= 2


def test_power_off_reports_stuck_relay(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("3", "stuck-relay")
    order = order_client.run_order("stacks", id=3, action="power_off", force=True)
    assert results(order) == {"03": "failed", "03-1": "failed", "03-2": "failed"}
    assert "the relay is stuck" in detail(order, "03")


def test_stuck_relay_shows_only_when_no_rasp_boots_at_power_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = "boot_seconds = 3\nshutdown_seconds = 12\ndisk_settle_seconds = 0\noff_seconds = 0.5"
    with running_rack(tmp_path_factory.mktemp("rack"), orders=settings) as rack_process:
        rack_process.start_blackbox()
        order_client = OrderClient(rack_process, rack_process.start_controller())
        wait_until(lambda: set(rack_process.phases.values()) == {"up"})
        rack_process.inject_fault("3", "stuck-relay")
        power_off = order_client.run_order("stacks", id=3, action="power_off")
        assert results(power_off) == dict.fromkeys(("03", "03-1", "03-2"), "ok")
        assert detail(power_off, "03").startswith("power cut commanded, not observed")
        assert rack_process.power == ["on"] * 3
        power_on = order_client.run_order("stacks", id=3, action="power_on")
        assert results(power_on) == dict.fromkeys(("03", "03-1", "03-2"), "failed")
        assert "its relay is stuck and never cut the power" in detail(power_on, "03")
        power_on = order_client.run_order("stacks", id=3, action="power_on")
        assert "rasps that were shut down need a power cycle" in detail(power_on, "03")
        rack_process.clear_fault("3")
        power_cycle = order_client.run_order("stacks", id=3, action="power_cycle", force=True)
        assert results(power_cycle)["03"] == "ok"


def test_stack_accepts_one_order_at_a_time(order_client: OrderClient) -> None:
    first = order_client.submit("stacks", id=2, action="power_cycle")
    response = order_client.request("POST", "rasps/execute", id=3, action="reboot")
    assert response.status_code == 409
    assert response.json()["detail"].startswith(
        f"stack 2 is busy with order {first['id']}: power_cycle"
    )
    assert (
        order_client.request("GET", "stacks/2").json()["reserved_by"]
        == f"order {first['id']}: power_cycle"
    )
    assert order_client.submit("rasps", id=1, action="ping")["result"] == "ok"
    assert order_client.wait(first)["result"] == "ok"


def test_canceled_power_on_switches_no_further_stacks(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    order_client.run_order("rack", action="power_off", force=True)
    order = order_client.submit("rack", action="power_on")
    wait_until(lambda: "on" in rack_process.power)
    assert order_client.request("DELETE", f"orders/{order['id']}").json()["state"] == "cancelling"
    cancelled = order_client.wait(order)
    assert cancelled["state"] == "cancelled"
    assert sorted(results(cancelled)[stack] for stack in ("01", "02", "03")).count("failed") == (
        3 - rack_process.power.count("on")
    )
    assert rack_process.power.count("on") < 3
    response = order_client.request("DELETE", f"orders/{order['id']}")
    assert (response.status_code, response.json()["detail"]) == (
        409,
        f"order {order['id']} is already cancelled",
    )


def test_power_off_canceled_before_cut_leaves_power_on(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.inject_fault("2/1", "wedged")
    order = order_client.submit("stacks", id=2, action="power_off")
    wait_until(lambda: rack_process.phases["02-2"] == "halted")
    order_client.request("DELETE", f"orders/{order['id']}")
    cancelled = order_client.wait(order)
    assert cancelled["state"] == "cancelled"
    assert rack_process.power[1] == "on"
    assert detail(cancelled, "02") == "cancelled before the power cut"


def test_dry_run_returns_affected_rasps_and_switches_nothing(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    relay_moves = rack_process.relay_moves
    response = order_client.request(
        "POST", "stacks/execute", id=2, action="power_off", dry_run=True
    )
    assert response.status_code == 200
    preview = response.json()
    assert (preview["affected"], preview["stacks"]) == (["02-1", "02-2"], [2])
    assert rack_process.relay_moves == relay_moves


def test_power_off_without_blackbox_exporter_has_unknown_result(
    rack_process: RackProcess, order_client: OrderClient
) -> None:
    rack_process.stop_blackbox()
    try:
        power_off = order_client.run_order("stacks", id=2, action="power_off", force=True)
        assert rack_process.power == ["on", "off", "on"]
        assert results(power_off) == dict.fromkeys(STACK_2_TARGETS, "unknown")
    finally:
        rack_process.start_blackbox()
    assert order_client.run_order("stacks", id=2, action="power_on")["result"] == "ok"


def test_order_is_rejected_and_switches_nothing_if_database_is_not_writable(
    rack_process: RackProcess, controller: ControllerProcess, order_client: OrderClient
) -> None:
    relay_moves = rack_process.relay_moves
    _, hard_limit = prlimit(controller.process.pid, RLIMIT_FSIZE, (0, -1))
    try:
        response = order_client.request(
            "POST", "stacks/execute", id=2, action="power_off", force=True
        )
    finally:
        prlimit(controller.process.pid, RLIMIT_FSIZE, (-1, hard_limit))
    assert response.status_code == 503, response.text
    assert "nothing was written" in response.json()["detail"]
    assert rack_process.relay_moves == relay_moves
    assert order_client.run_order("stacks", id=2, action="power_off", force=True)["result"] == "ok"


def test_order_after_an_interrupted_order_shuts_down_or_boots_the_rasps(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_rack(
        tmp_path_factory.mktemp("rack"), orders=ORDER_SETTINGS, boot_seconds=2.0
    ) as rack_process:
        rack_process.start_blackbox()
        controller = rack_process.start_controller()
        order_client = OrderClient(rack_process, controller)
        for action, power, reason in (
            ("power_off", "off", "was shut down"),
            ("power_on", "on", "reachable after "),
        ):
            wait_until(lambda: set(rack_process.phases.values()) <= {"up", "off"})
            controller.stop(signal.SIGKILL)
            rack_process.interrupt_order(2, power)
            controller = rack_process.start_controller()
            order = order_client.use_controller(controller).run_order("stacks", id=2, action=action)
            assert results(order) == dict.fromkeys(STACK_2_TARGETS, "ok")
            assert detail(order, "02-1").startswith(reason)
            assert rack_process.power == ["on", power, "on"]
        assert rack_process.relay_moves == [0, 2, 0]


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGKILL])
def test_order_of_stopped_controller_is_interrupted_and_relays_are_unchanged(
    tmp_path_factory: pytest.TempPathFactory, stop_signal: signal.Signals
) -> None:
    with running_rack(tmp_path_factory.mktemp("rack"), orders="off_seconds = 60") as rack_process:
        rack_process.start_blackbox()
        controller = rack_process.start_controller()
        order_client = OrderClient(rack_process, controller)
        order = order_client.submit("stacks", id=2, action="power_cycle", force=True)
        wait_until(lambda: order_client.get_order(order)["results"][0]["stage"] == "off")
        controller.stop(stop_signal)
        assert rack_process.power == ["on", "off", "on"]
        order_client.use_controller(rack_process.start_controller())
        interrupted = order_client.get_order(order)
        assert (interrupted["state"], interrupted["result"]) == ("interrupted", "unknown")
        assert "the controller stopped before the order finished" in detail(interrupted, "02")
        assert rack_process.power == ["on", "off", "on"]
        assert order_client.request("GET", "audit?q=power_cycle").json()[0]["result"] == "unknown"
        assert order_client.request("GET", "stacks/2").json()["reserved_by"] == ""
