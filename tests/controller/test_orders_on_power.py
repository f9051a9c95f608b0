"""Orders on power, by the real controller on a virtual rack: nothing is cut that still runs."""

import signal
from collections.abc import Iterator
from resource import RLIMIT_FSIZE, prlimit

import pytest

from tests.controller.operator import Operator, detail, results
from tests.controller.room import Controller, Room, a_room
from tests.waiting import until

ORDERS = """
boot_seconds = 8
shutdown_seconds = 4
settle_seconds = 0.2
off_seconds = 0.5
booting_at_once = 2
"""
OF_STACK_2 = ("02", "02-1", "02-2")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with a_room(tmp_path_factory.mktemp("room"), orders=ORDERS, boot_seconds=0.8) as room:
        room.start_blackbox()
        until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def controller(room: Room) -> Controller:
    return room.start_controller()


@pytest.fixture(scope="module")
def operator(room: Room, controller: Controller) -> Operator:
    return Operator(room, controller)


@pytest.fixture(autouse=True)
def healthy(room: Room, operator: Operator) -> Iterator[None]:
    """Whatever a test did to the rack, the next one finds all stacks on and all rasps up."""
    yield
    room.take_off("all")
    down = {int(name[:2]) for name, phase in room.phases.items() if phase != "up"}
    if down:
        operator.order("stacks", ids=sorted(down), action="power_cycle", force=True)
    until(lambda: set(room.phases.values()) == {"up"})


def test_a_stack_is_shut_down_before_it_is_cut(room: Room, operator: Operator) -> None:
    order = operator.begin("stacks", id=2, action="power_off")
    seen: list[tuple[str, str]] = []
    over = operator.wait(order, lambda: seen.append((room.power[1], room.phases["02-1"])))
    assert results(over) == dict.fromkeys(OF_STACK_2, "ok")
    assert detail(over, "02-1") == "was shut down"
    assert ("on", "halted") in seen
    assert ("off", "up") not in seen
    assert room.power == ["on", "off", "on"]
    back = operator.order("stacks", id=2, action="power_on")
    assert results(back) == dict.fromkeys(OF_STACK_2, "ok")
    assert detail(back, "02-1").startswith("answers after ")


def test_a_rasp_that_does_not_shut_down_is_told_and_does_not_hold_up_the_cut(
    room: Room, operator: Operator
) -> None:
    room.put_on("2/1", "wedged")
    order = operator.order("stacks", id=2, action="power_off")
    assert results(order) == {"02": "ok", "02-1": "failed", "02-2": "ok"}
    assert "its power was cut all the same" in detail(order, "02-1")
    assert room.power[1] == "off"


def test_a_rasp_that_was_dead_before_is_unknown_and_the_others_are_shut_down(
    room: Room, operator: Operator
) -> None:
    room.put_on("2/1", "dead")
    order = operator.order("stacks", id=2, action="power_off")
    assert (results(order), order["result"]) == (
        {"02": "ok", "02-1": "unknown", "02-2": "ok"},
        "unknown",
    )
    assert detail(order, "02-1") == "did not answer before; its power was cut all the same"


def test_force_cuts_at_once(room: Room, operator: Operator) -> None:
    order = operator.order("stacks", id=2, action="power_off", force=True)
    assert order["ended"] - order["began"] < 4  # of which shutting down would take all
    assert detail(order, "02-1") == "its power was cut"


def test_a_cycle_brings_back_what_was_halted(room: Room, operator: Operator) -> None:
    operator.order("rasps", id=3, action="shutdown")
    order = operator.order("stacks", id=2, action="power_cycle")
    assert results(order)["02"] == "ok"
    assert detail(order, "02-2").startswith("was shut down; answers after ")
    assert room.power == ["on"] * 3


def test_a_whole_rack_never_boots_more_rasps_at_once_than_it_may(
    room: Room, operator: Operator
) -> None:
    off = operator.order("rack", action="power_off")
    assert off["result"] == "ok"
    assert room.power == ["off"] * 3
    booting: list[int] = []
    on = operator.wait(
        operator.begin("rack", action="power_on"),
        lambda: booting.append(list(room.phases.values()).count("booting")),
    )
    assert on["result"] == "ok"
    assert 0 < max(booting) <= 2


def test_a_relay_that_is_stuck_is_told(room: Room, operator: Operator) -> None:
    room.put_on("3", "stuck-relay")
    order = operator.order("stacks", id=3, action="power_off", force=True)
    assert results(order) == {"03": "failed", "03-1": "failed", "03-2": "failed"}
    assert "its relay is stuck" in detail(order, "03")


def test_a_stack_takes_one_order_at_a_time(operator: Operator) -> None:
    first = operator.begin("stacks", id=2, action="power_cycle")
    answer = operator.ask("POST", "rasps/execute", id=3, action="reboot")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(
        f"stack 2 is busy with order {first['id']}: power_cycle"
    )
    assert operator.ask("GET", "stacks/2").json()["busy"] == f"order {first['id']}: power_cycle"
    assert operator.begin("rasps", id=1, action="ping")["result"] == "ok"
    assert operator.wait(first)["result"] == "ok"


def test_a_cancelled_order_begins_nothing_more(room: Room, operator: Operator) -> None:
    operator.order("rack", action="power_off", force=True)
    order = operator.begin("rack", action="power_on")
    until(lambda: room.power.count("on") == 1)
    assert operator.ask("DELETE", f"orders/{order['id']}").json()["state"] == "cancelling"
    over = operator.wait(order)
    assert over["state"] == "cancelled"
    assert sorted(results(over)[stack] for stack in ("01", "02", "03")).count("failed") == (
        3 - room.power.count("on")
    )
    assert room.power.count("on") < 3
    again = operator.ask("DELETE", f"orders/{order['id']}")
    assert (again.status_code, again.json()["detail"]) == (
        409,
        f"order {order['id']} is over: it is cancelled",
    )


def test_cancelling_before_the_cut_leaves_the_power(room: Room, operator: Operator) -> None:
    room.put_on("2/1", "wedged")
    order = operator.begin("stacks", id=2, action="power_off")
    until(lambda: room.phases["02-2"] == "halted")
    operator.ask("DELETE", f"orders/{order['id']}")
    over = operator.wait(order)
    assert over["state"] == "cancelled"
    assert room.power[1] == "on"
    assert detail(over, "02") == "cancelled: it keeps its power"


def test_a_dry_run_tells_what_would_go_down_and_does_nothing(
    room: Room, operator: Operator
) -> None:
    before = room.moves
    answer = operator.ask("POST", "stacks/execute", id=2, action="power_off", dry_run=True)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["takes_down"], told["stacks"]) == (["02-1", "02-2"], [2])
    assert room.moves == before


def test_without_blackbox_power_works_and_what_nobody_saw_is_unknown(
    room: Room, operator: Operator
) -> None:
    room.stop_blackbox()
    try:
        off = operator.order("stacks", id=2, action="power_off", force=True)
        assert room.power == ["on", "off", "on"]
        assert results(off) == dict.fromkeys(OF_STACK_2, "unknown")
    finally:
        room.start_blackbox()
    assert operator.order("stacks", id=2, action="power_on")["result"] == "ok"


def test_where_nothing_can_be_written_an_order_is_refused_and_no_relay_moves(
    room: Room, controller: Controller, operator: Operator
) -> None:
    before = room.moves
    _, most = prlimit(controller.process.pid, RLIMIT_FSIZE, (0, -1))
    try:
        answer = operator.ask("POST", "stacks/execute", id=2, action="power_off", force=True)
    finally:
        prlimit(controller.process.pid, RLIMIT_FSIZE, (-1, most))
    assert answer.status_code == 503, answer.text
    assert "nothing was written" in answer.json()["detail"]
    assert room.moves == before
    assert operator.order("stacks", id=2, action="power_off", force=True)["result"] == "ok"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_order_that_a_controller_left_open_is_interrupted_and_its_relays_stay(
    tmp_path_factory: pytest.TempPathFactory, how: signal.Signals
) -> None:
    with a_room(tmp_path_factory.mktemp("room"), orders="off_seconds = 60") as room:
        room.start_blackbox()
        controller = room.start_controller()
        operator = Operator(room, controller)
        order = operator.begin("stacks", id=2, action="power_cycle", force=True)
        until(lambda: operator.look(order)["results"][0]["stage"] == "off")
        controller.end(how)
        assert room.power == ["on", "off", "on"]
        after = operator.at(room.start_controller()).look(order)
        assert (after["state"], after["result"]) == ("interrupted", "unknown")
        assert "the controller ended before this order did" in detail(after, "02")
        assert room.power == ["on", "off", "on"]
        assert operator.ask("GET", "audit?q=power_cycle").json()[0]["result"] == "unknown"
        assert operator.ask("GET", "stacks/2").json()["busy"] == ""
