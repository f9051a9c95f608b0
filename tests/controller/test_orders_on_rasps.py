"""Orders on rasps, by the real controller on a virtual rack."""

from collections.abc import Iterator

import pytest

from tests.controller.operator import Operator, detail, results
from tests.controller.room import Room, a_room
from tests.waiting import until

ORDERS = """
boot_seconds = 8
shutdown_seconds = 4
settle_seconds = 0
off_seconds = 0.5
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with a_room(tmp_path_factory.mktemp("room"), orders=ORDERS, boot_seconds=1.0) as room:
        room.start_blackbox()
        until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def operator(room: Room) -> Operator:
    return Operator(room, room.start_controller())


@pytest.fixture(autouse=True)
def healthy(room: Room, operator: Operator) -> Iterator[None]:
    """Whatever a test did to the rack, the next one finds all rasps up."""
    yield
    room.take_off("all")
    halted = {int(name[:2]) for name, phase in room.phases.items() if phase == "halted"}
    if halted:
        operator.order("stacks", ids=sorted(halted), action="power_cycle", force=True)
    until(lambda: set(room.phases.values()) == {"up"})


def test_a_ping_tells_who_answers_now(room: Room, operator: Operator) -> None:
    room.put_on("2/1", "dead")
    until(lambda: room.answers(2) == [False, True])
    order = operator.begin("rack", action="ping")
    assert (order["state"], order["result"]) == ("done", "failed")
    assert results(order) == {name: "failed" if name == "02-1" else "ok" for name in room.phases}
    assert detail(order, "02-1") == "no answer"


def test_an_alias_is_read_now(operator: Operator) -> None:
    order = operator.begin("rasps", ids=[1, 2], action="read", alias="cpu_temperature_celsius")
    assert results(order) == {"01-1": "ok", "01-2": "ok"}
    [reading] = order["results"][0]["readings"]
    assert 20 < reading["value"] < 90


def test_an_alias_of_an_exporter_that_hangs_is_not_read(room: Room, operator: Operator) -> None:
    room.put_on("1/1", "hang")
    order = operator.begin("rasps", ids=[1, 2], action="read", alias="cpu_load1")
    assert results(order) == {"01-1": "failed", "01-2": "ok"}
    assert detail(order, "01-1") == "its exporter gave no answer in 6 s"


def test_an_action_gives_back_what_it_printed(operator: Operator) -> None:
    order = operator.order("rasps", id=3, action="uptime")
    assert order["result"] == "ok"
    assert "load average" in order["results"][0]["output"]


def test_a_reboot_is_over_when_the_rasp_is_back(room: Room, operator: Operator) -> None:
    order = operator.begin("rasps", id=6, action="reboot")
    seen: set[str] = set()
    over = operator.wait(order, lambda: seen.add(room.phases["03-2"]))
    assert over["result"] == "ok"
    assert detail(over, "03-2").startswith("back after ")
    assert "booting" in seen
    assert room.phases["03-2"] == "up"


def test_a_shutdown_is_over_when_the_rasp_is_gone(room: Room, operator: Operator) -> None:
    order = operator.order("rasps", id=4, action="shutdown")
    assert order["result"] == "ok"
    assert detail(order, "02-2").startswith("gone after ")
    assert room.phases["02-2"] == "halted"


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
    room: Room, operator: Operator, fault: str, result: str, why: str
) -> None:
    room.put_on("1/2", fault)
    order = operator.order("rasps", ids=[1, 2], action="sync")
    assert results(order) == {"01-1": "ok", "01-2": result}
    assert why in detail(order, "01-2")


def test_a_rasp_that_hangs_after_connecting_does_not_hold_up_the_others(
    room: Room, operator: Operator
) -> None:
    room.put_on("1/2", "wedged")
    order = operator.begin("rasps", ids=[1, 2], action="reboot")
    until(lambda: results(operator.look(order))["01-1"] == "ok")
    assert results(operator.look(order))["01-2"] is None
    operator.ask("DELETE", f"orders/{order['id']}")
    room.take_off("1/2")


def test_a_rasp_in_no_slot_is_not_asked(room: Room, operator: Operator) -> None:
    # Only the six slots of the layout are there.
    answer = operator.ask("POST", "rasps/execute", id=7, action="ping")
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "no rasp 7: this rack has rasps 1 to 6",
    )


def test_orders_are_listed_the_newest_first_and_found_by_target(operator: Operator) -> None:
    first = operator.begin("rasps", id=1, action="ping")
    second = operator.begin("rasps", id=5, action="ping")
    listed = operator.ask("GET", "orders?limit=2").json()
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    of_one = operator.ask("GET", "orders?target=01-1&action=ping").json()
    assert of_one[0]["id"] == first["id"]
    assert {tuple(each["targets"]) for each in of_one} <= {
        ("01-1",),
        tuple(f"0{stack}-{slot}" for stack in (1, 2, 3) for slot in (1, 2)),
    }


def test_an_order_is_in_the_audit_with_who_and_from_where(operator: Operator) -> None:
    order = operator.begin("rasps", id=1, action="ping")
    event = operator.ask("GET", "audit?limit=1").json()[0]
    assert {name: event[name] for name in ("who", "origin", "what", "targets", "result")} == {
        "who": "token:tests",
        "origin": "127.0.0.1",
        "what": "ping",
        "targets": "01-1",
        "result": "ok",
    }
    assert event["detail"] == f"order {order['id']}, done"
