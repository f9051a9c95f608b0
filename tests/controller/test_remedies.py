"""What the controller does about alerts by itself, and above all when it does not."""

from dataclasses import replace
from typing import Any

import pytest

from controller.alerts.alert import Alert
from controller.alerts.remedies import NotNow, Remedies, choose
from controller.errors import StackBusy
from controller.orders.book import Search
from controller.orders.order import Order, Wanted
from controller.state import Power, RackState, StackState, State
from rack.layout import RemedyRules
from tests.controller.world import World

ALL = RemedyRules(power_cycle_dead_stack=True, reboot_wedged_rasp=True)
GONE = Alert("a1", {"alertname": "PiRackStackGone", "rack": "pirack", "stack": "03"}, {}, 1000.0)
WEDGED = Alert(
    "b2",
    {"alertname": "PiRackRaspExporterDown", "rack": "pirack", "stack": "03", "rasp": "03-2"},
    {},
    1000.0,
)
CYCLE = Wanted("power_cycle", "stacks", (3,), force=True)
REBOOT = Wanted("reboot", "rasps", (10,))


def changed(now: RackState, stack: int, **fields: Any) -> RackState:
    stacks = list(now.stacks)
    stacks[stack - 1] = replace(stacks[stack - 1], **fields)
    return replace(now, stacks=tuple(stacks))


def dead(now: RackState, *stacks: int) -> RackState:
    """The rack with all rasps of these stacks dead."""
    for number in stacks:
        rasps = tuple(
            replace(rasp, state=State.DOWN, answers_ping=False)
            for rasp in now.stacks[number - 1].rasps
        )
        now = changed(now, number, rasps=rasps, power=Power.ON)
    return now


def wedged(now: RackState, *names: str) -> RackState:
    """The rack with these rasps answering ping alone."""
    stacks: list[StackState] = []
    for stack in now.stacks:
        rasps = (
            replace(rasp, state=State.DOWN, answers_ping=True) if rasp.slot.name in names else rasp
            for rasp in stack.rasps
        )
        stacks.append(replace(stack, rasps=tuple(rasps)))
    return replace(now, stacks=tuple(stacks))


@pytest.fixture
def well(world: World) -> RackState:
    return world.state()


def test_nothing_is_done_unless_rack_toml_allows_it(well: RackState) -> None:
    assert choose(GONE, RemedyRules(), dead(well, 3)) is None
    assert choose(WEDGED, RemedyRules(), wedged(well, "03-2")) is None


def test_one_remedy_does_not_allow_the_other(well: RackState) -> None:
    assert choose(GONE, RemedyRules(reboot_wedged_rasp=True), dead(well, 3)) is None
    assert choose(WEDGED, RemedyRules(power_cycle_dead_stack=True), wedged(well, "03-2")) is None


def test_a_stack_that_is_gone_is_power_cycled_at_once(well: RackState) -> None:
    assert choose(GONE, ALL, dead(well, 3)) == CYCLE


def test_a_wedged_rasp_is_rebooted_alone(well: RackState) -> None:
    assert choose(WEDGED, ALL, wedged(well, "03-2")) == REBOOT


def test_no_other_alert_and_no_other_rack_has_a_remedy(well: RackState) -> None:
    other = replace(GONE, labels={**GONE.labels, "alertname": "PiRackRaspDown"})
    elsewhere = replace(GONE, labels={**GONE.labels, "rack": "west"})
    nowhere = replace(GONE, labels={**GONE.labels, "stack": "99"})
    for alert in (other, elsewhere, nowhere):
        assert choose(alert, ALL, dead(well, 3)) is None


def why_not(alert: Alert, now: RackState) -> str:
    with pytest.raises(NotNow) as caught:
        choose(alert, ALL, now)
    return str(caught.value)


def test_a_stack_is_left_alone_when_others_are_gone_too(well: RackState) -> None:
    assert why_not(GONE, dead(well, 3, 7)).startswith("stacks 03, 07 are gone at once")


def test_a_stack_is_left_alone_when_nobody_shows_that_the_network_works(well: RackState) -> None:
    now = dead(well, 3)
    for number in (1, 2, *range(4, 13)):
        rasps = tuple(replace(rasp, state=State.OFF) for rasp in now.stacks[number - 1].rasps)
        now = changed(now, number, rasps=rasps, power=Power.OFF)
    assert "the network may be to blame" in why_not(GONE, now)


def test_a_stack_is_left_alone_while_it_is_busy(well: RackState) -> None:
    now = changed(dead(well, 3), 3, busy="order 12: power_off")
    assert why_not(GONE, now) == "stack 3 is busy with order 12: power_off"
    now = changed(wedged(well, "03-2"), 3, busy="install 4")
    assert why_not(WEDGED, now) == "stack 3 is busy with install 4"


@pytest.mark.parametrize(
    "fields",
    [{"state": State.UP}, {"answers_ping": True}, {"answers_ping": None}, {"state": State.UNKNOWN}],
    ids=str,
)
def test_a_stack_is_left_alone_when_one_rasp_of_it_lives_or_nobody_can_tell(
    well: RackState, fields: dict[str, Any]
) -> None:
    now = dead(well, 3)
    first, *others = now.stacks[2].rasps
    now = changed(now, 3, rasps=(replace(first, **fields), *others))
    assert "not gone any more" in why_not(GONE, now)


def test_a_stack_that_is_off_by_now_stays_off(well: RackState) -> None:
    assert "not gone any more" in why_not(GONE, changed(dead(well, 3), 3, power=Power.OFF))


def test_a_rasp_is_left_alone_when_many_exporters_are_silent_at_once(well: RackState) -> None:
    assert choose(WEDGED, ALL, wedged(well, "03-2", "07-1")) == REBOOT
    now = wedged(well, "03-2", "07-1", "08-1")
    assert why_not(WEDGED, now).startswith("3 exporters do not answer at once")


def test_a_rasp_that_answers_again_or_nothing_any_more_is_left_alone(well: RackState) -> None:
    assert "not wedged any more" in why_not(WEDGED, well)
    assert "not wedged any more" in why_not(WEDGED, dead(well, 3))


class Orders:
    """Takes orders and does nothing about them."""

    def __init__(self) -> None:
        self.placed: list[Order] = []
        self.is_busy = False
        self.now = 2000.0

    def place(self, wanted: Wanted, who: str, origin: str) -> Order:
        if self.is_busy:
            raise StackBusy(3, "order 12: power_off")
        order = Order(
            id=len(self.placed) + 1,
            wanted=wanted,
            targets=(),
            who=who,
            origin=origin,
            began=self.now,
            outcomes=(),
        )
        self.placed.insert(0, order)
        return order

    def newest(self, count: int, search: Search | None = None) -> list[Order]:
        return self.placed[:count]


@pytest.fixture
def orders() -> Orders:
    return Orders()


def remedies(orders: Orders, now: RackState, *, at_most: int = 2) -> Remedies:
    rules = replace(ALL, at_most_an_hour=at_most)
    return Remedies(rules, orders, lambda: now, clock=lambda: orders.now)


def test_a_remedy_is_an_order_in_the_name_of_its_alert(orders: Orders, well: RackState) -> None:
    made = remedies(orders, dead(well, 3))
    made.try_all([GONE])
    [order] = orders.placed
    assert (order.wanted, order.who, order.origin) == (
        CYCLE,
        "remedy:PiRackStackGone",
        "alertmanager",
    )
    assert made.said(GONE) == "order 1: power_cycle"


def test_an_alert_that_is_told_again_is_not_remedied_again(orders: Orders, well: RackState) -> None:
    made = remedies(orders, dead(well, 3))
    made.try_all([GONE])
    made.try_all([GONE, GONE])
    assert len(orders.placed) == 1
    made.try_all([replace(GONE, began=1900.0)])  # it was over, and fires anew
    assert len(orders.placed) == 2


def test_so_many_in_an_hour_are_enough_whatever_they_are_for(
    orders: Orders, well: RackState
) -> None:
    made = remedies(orders, dead(well, 3))
    made.try_all([replace(GONE, began=each) for each in (1.0, 2.0, 3.0)])
    assert len(orders.placed) == 2
    assert made.said(replace(GONE, began=3.0)) == (
        "no remedy was used: 2 in the last hour are enough: somebody should look"
    )
    orders.now += 3601
    made.try_all([replace(GONE, began=3.0)])
    assert len(orders.placed) == 3


def test_what_others_ordered_does_not_count(orders: Orders, well: RackState) -> None:
    orders.place(CYCLE, "otto", "127.0.0.1")
    remedies(orders, dead(well, 3), at_most=1).try_all([GONE])
    assert len(orders.placed) == 2


def test_a_restart_of_the_controller_does_not_begin_a_new_hour(
    orders: Orders, well: RackState
) -> None:
    remedies(orders, dead(well, 3), at_most=1).try_all([GONE])
    remedies(orders, dead(well, 3), at_most=1).try_all([GONE])
    assert len(orders.placed) == 1


def test_a_remedy_that_is_refused_is_tried_again_when_the_alert_is_told_again(
    orders: Orders, well: RackState
) -> None:
    made = remedies(orders, dead(well, 3))
    orders.is_busy = True
    made.try_all([GONE])
    assert made.said(GONE).startswith("no remedy was used: stack 3 is busy")
    orders.is_busy = False
    made.try_all([GONE])
    assert made.said(GONE) == "order 1: power_cycle"
