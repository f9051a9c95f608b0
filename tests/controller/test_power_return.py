"""The return of power after a power cycle that did not end."""

import signal
from pathlib import Path

import pytest
from gpiozero.exc import PinError

from controller.errors import StackBusyError
from controller.orders.model import Order, OrderRequest
from controller.power_return import PowerReturn
from tests.controller.api_client import OrderClient, results
from tests.controller.rack_process import running_rack
from tests.helpers.waiting import wait_until
from tests.rack.relay_fixture import RelayFixture


class OrderRecorder:
    """Orders that a test executes or rejects itself."""

    def __init__(self) -> None:
        self.stacks: list[tuple[int, ...]] = []
        self.is_busy = False

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        if self.is_busy:
            raise StackBusyError(request.ids[0], "order 1: power_off")
        assert (request.action, request.scope, request.force) == ("power_on", "stacks", False)
        assert actor == "power return"
        self.stacks.append(request.ids)
        return Order(len(self.stacks), request, (), actor, client_address, 0.0)


class InterruptedRack:
    """A rack whose stacks 1 and 2 are off until 1005, with the component that returns power."""

    def __init__(self, folder: Path) -> None:
        self.fixture = RelayFixture(folder)
        self.relays = self.fixture.make_relays()
        self.relays.switch({1: False, 2: False}, on_again_at=1005)
        self.orders = OrderRecorder()
        self.holders: dict[int, str] = {}
        self.power_return = PowerReturn(
            self.relays.rack, self.relays.outlets, lambda: self.holders, self.orders.submit
        )

    def check_at(self, now: float) -> list[tuple[int, ...]]:
        """Return the stacks of each order that is submitted at this time."""
        self.fixture.now = now
        previous = len(self.orders.stacks)
        self.power_return.check()
        return self.orders.stacks[previous:]


@pytest.fixture
def rack(tmp_path: Path) -> InterruptedRack:
    return InterruptedRack(tmp_path)


def test_one_order_returns_the_power_of_all_stacks_at_their_time(rack: InterruptedRack) -> None:
    assert rack.check_at(1004.9) == []
    assert rack.check_at(1005) == [(1, 2)]
    rack.relays.switch({1: True, 2: True})
    assert rack.check_at(2000) == []


def test_running_order_returns_the_power_itself(rack: InterruptedRack) -> None:
    rack.holders = {1: "order 7: power_cycle"}
    assert rack.check_at(1006) == [(2,)]
    rack.holders = {}
    assert rack.check_at(1007) == [(1,)]


def test_order_that_is_rejected_because_a_stack_is_busy_is_repeated(rack: InterruptedRack) -> None:
    rack.orders.is_busy = True
    assert rack.check_at(1006) == []
    rack.orders.is_busy = False
    assert rack.check_at(1007) == [(1, 2)]


def test_order_that_could_not_switch_a_stack_is_repeated_after_a_minute(
    rack: InterruptedRack,
) -> None:
    assert rack.check_at(1006) == [(1, 2)]
    rack.relays.on(1)
    assert rack.check_at(1065) == []
    assert rack.check_at(1067) == [(2,)]


def test_power_cycle_that_is_interrupted_later_does_not_wait_for_an_earlier_one(
    rack: InterruptedRack,
) -> None:
    assert rack.check_at(1006) == [(1, 2)]
    rack.relays.switch({1: True, 2: True})
    assert rack.check_at(1007) == []
    rack.relays.switch({2: False}, on_again_at=1008)
    assert rack.check_at(1008) == [(2,)]


def test_stack_that_another_order_switched_off_stays_off(rack: InterruptedRack) -> None:
    rack.relays.off(2)
    assert rack.check_at(2000) == [(1,)]


def raise_pin_error() -> None:
    raise PinError("no permission")


@pytest.mark.process
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGKILL])
def test_power_of_a_stopped_power_cycle_returns_at_the_next_start(
    tmp_path: Path, stop_signal: signal.Signals
) -> None:
    with running_rack(tmp_path, orders="off_seconds = 600\nboot_seconds = 60") as rack_process:
        rack_process.start_blackbox()
        controller = rack_process.start_controller()
        orders = OrderClient(rack_process, controller)
        order = orders.submit("stacks", ids=[1, 3], action="power_cycle", force=True)
        wait_until(lambda: rack_process.power == ["off", "on", "off"])
        controller.stop(stop_signal)
        assert rack_process.power == ["off", "on", "off"]
        rack_process.end_off_time()
        controller = rack_process.start_controller()
        wait_until(lambda: rack_process.power == ["on", "on", "on"])
        assert rack_process.relay_moves == [2, 0, 2]
        orders.use_controller(controller)
        [returned] = orders.request("GET", "orders?action=power_on").json()
        assert (returned["actor"], returned["targets"]) == ("power return", ["01", "03"])
        assert set(results(orders.wait(returned)).values()) == {"ok"}
        [event] = orders.request("GET", "audit?q=power+return").json()
        assert (event["action"], event["targets"], event["result"]) == ("power_on", "01 03", "ok")
        edges = orders.request("GET", "edges").json()
        causes = [f"order {returned['id']}"] * 2 + [f"order {order['id']}"] * 2
        assert [edge["cause"] for edge in edges] == causes
        assert all(edge["first_answer"] for edge in edges[:2])
