"""What the controller does about alerts by itself, and above all when it does not."""

from dataclasses import replace
from typing import Any

import pytest

from controller.alerts.alert import Alert
from controller.alerts.remediation import Remediation, RemediationSkippedError, plan
from controller.errors import StackBusyError
from controller.orders.model import Order, OrderRequest
from controller.orders.store import OrderFilter
from controller.state.model import PowerState, RackState, RaspStatus, StackState
from rack.layout import RemediationSettings
from tests.controller.fakes import FakeRackState

ALL_ENABLED = RemediationSettings(power_cycle_dead_stack=True, reboot_wedged_rasp=True)
STACK_DOWN = Alert(
    "a1", {"alertname": "PiRackStackGone", "rack": "pirack", "stack": "03"}, {}, 1000.0
)
RASP_HUNG = Alert(
    "b2",
    {"alertname": "PiRackRaspExporterDown", "rack": "pirack", "stack": "03", "rasp": "03-2"},
    {},
    1000.0,
)
POWER_CYCLE_REQUEST = OrderRequest("power_cycle", "stacks", (3,), force=True)
REBOOT_REQUEST = OrderRequest("reboot", "rasps", (10,))


def replace_stack(state: RackState, stack: int, **fields: Any) -> RackState:
    stacks = list(state.stacks)
    stacks[stack - 1] = replace(stacks[stack - 1], **fields)
    return replace(state, stacks=tuple(stacks))


def with_dead_stacks(state: RackState, *stacks: int) -> RackState:
    """The rack with all rasps of these stacks dead."""
    for number in stacks:
        rasps = tuple(
            replace(rasp, state=RaspStatus.DOWN, answers_ping=False)
            for rasp in state.stacks[number - 1].rasps
        )
        state = replace_stack(state, number, rasps=rasps, power=PowerState.ON)
    return state


def with_hung_rasps(state: RackState, *names: str) -> RackState:
    """The rack with these rasps answering ping alone."""
    stacks: list[StackState] = []
    for stack in state.stacks:
        rasps = (
            replace(rasp, state=RaspStatus.DOWN, answers_ping=True)
            if rasp.slot.name in names
            else rasp
            for rasp in stack.rasps
        )
        stacks.append(replace(stack, rasps=tuple(rasps)))
    return replace(state, stacks=tuple(stacks))


@pytest.fixture
def healthy_rack(rack_state: FakeRackState) -> RackState:
    return rack_state.read()


def test_nothing_is_done_unless_rack_toml_allows_it(healthy_rack: RackState) -> None:
    assert plan(STACK_DOWN, RemediationSettings(), with_dead_stacks(healthy_rack, 3)) is None
    assert plan(RASP_HUNG, RemediationSettings(), with_hung_rasps(healthy_rack, "03-2")) is None


def test_one_remedy_does_not_allow_the_other(healthy_rack: RackState) -> None:
    assert (
        plan(
            STACK_DOWN,
            RemediationSettings(reboot_wedged_rasp=True),
            with_dead_stacks(healthy_rack, 3),
        )
        is None
    )
    assert (
        plan(
            RASP_HUNG,
            RemediationSettings(power_cycle_dead_stack=True),
            with_hung_rasps(healthy_rack, "03-2"),
        )
        is None
    )


def test_a_stack_that_is_gone_is_power_cycled_at_once(healthy_rack: RackState) -> None:
    assert plan(STACK_DOWN, ALL_ENABLED, with_dead_stacks(healthy_rack, 3)) == POWER_CYCLE_REQUEST


def test_a_wedged_rasp_is_rebooted_alone(healthy_rack: RackState) -> None:
    assert plan(RASP_HUNG, ALL_ENABLED, with_hung_rasps(healthy_rack, "03-2")) == REBOOT_REQUEST


def test_no_other_alert_and_no_other_rack_has_a_remedy(healthy_rack: RackState) -> None:
    other = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "alertname": "PiRackRaspDown"})
    elsewhere = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "rack": "west"})
    nowhere = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "stack": "99"})
    for alert in (other, elsewhere, nowhere):
        assert plan(alert, ALL_ENABLED, with_dead_stacks(healthy_rack, 3)) is None


def skip_reason(alert: Alert, state: RackState) -> str:
    with pytest.raises(RemediationSkippedError) as caught:
        plan(alert, ALL_ENABLED, state)
    return str(caught.value)


def test_a_stack_is_left_alone_when_others_are_gone_too(healthy_rack: RackState) -> None:
    assert skip_reason(STACK_DOWN, with_dead_stacks(healthy_rack, 3, 7)).startswith(
        "stacks 03, 07 are gone at once"
    )


def test_a_stack_is_left_alone_when_nobody_shows_that_the_network_works(
    healthy_rack: RackState,
) -> None:
    now = with_dead_stacks(healthy_rack, 3)
    for number in (1, 2, *range(4, 13)):
        rasps = tuple(replace(rasp, state=RaspStatus.OFF) for rasp in now.stacks[number - 1].rasps)
        now = replace_stack(now, number, rasps=rasps, power=PowerState.OFF)
    assert "the network may be to blame" in skip_reason(STACK_DOWN, now)


def test_a_stack_is_left_alone_while_it_is_busy(healthy_rack: RackState) -> None:
    now = replace_stack(with_dead_stacks(healthy_rack, 3), 3, busy="order 12: power_off")
    assert skip_reason(STACK_DOWN, now) == "stack 3 is busy with order 12: power_off"
    now = replace_stack(with_hung_rasps(healthy_rack, "03-2"), 3, busy="install 4")
    assert skip_reason(RASP_HUNG, now) == "stack 3 is busy with install 4"


@pytest.mark.parametrize(
    "fields",
    [
        {"state": RaspStatus.UP},
        {"answers_ping": True},
        {"answers_ping": None},
        {"state": RaspStatus.UNKNOWN},
    ],
    ids=str,
)
def test_a_stack_is_left_alone_when_one_rasp_of_it_lives_or_nobody_can_tell(
    healthy_rack: RackState, fields: dict[str, Any]
) -> None:
    now = with_dead_stacks(healthy_rack, 3)
    first, *others = now.stacks[2].rasps
    now = replace_stack(now, 3, rasps=(replace(first, **fields), *others))
    assert "not gone any more" in skip_reason(STACK_DOWN, now)


def test_a_stack_that_is_off_by_now_stays_off(healthy_rack: RackState) -> None:
    assert "not gone any more" in skip_reason(
        STACK_DOWN, replace_stack(with_dead_stacks(healthy_rack, 3), 3, power=PowerState.OFF)
    )


def test_a_rasp_is_left_alone_when_many_exporters_are_silent_at_once(
    healthy_rack: RackState,
) -> None:
    assert (
        plan(RASP_HUNG, ALL_ENABLED, with_hung_rasps(healthy_rack, "03-2", "07-1"))
        == REBOOT_REQUEST
    )
    now = with_hung_rasps(healthy_rack, "03-2", "07-1", "08-1")
    assert skip_reason(RASP_HUNG, now).startswith("3 exporters do not answer at once")


def test_a_rasp_that_answers_again_or_nothing_any_more_is_left_alone(
    healthy_rack: RackState,
) -> None:
    assert "not wedged any more" in skip_reason(RASP_HUNG, healthy_rack)
    assert "not wedged any more" in skip_reason(RASP_HUNG, with_dead_stacks(healthy_rack, 3))


class FakeOrderSubmitter:
    """Takes orders and does nothing about them."""

    def __init__(self) -> None:
        self.placed: list[Order] = []
        self.is_busy = False
        self.now = 2000.0

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        if self.is_busy:
            raise StackBusyError(3, "order 12: power_off")
        order = Order(
            id=len(self.placed) + 1,
            request=request,
            targets=(),
            actor=actor,
            client_address=client_address,
            started_at=self.now,
            results=(),
        )
        self.placed.insert(0, order)
        return order

    def list_recent(self, limit: int, order_filter: OrderFilter | None = None) -> list[Order]:
        return self.placed[:limit]


@pytest.fixture
def order_submitter() -> FakeOrderSubmitter:
    return FakeOrderSubmitter()


def make_remediation(
    orders: FakeOrderSubmitter, state: RackState, *, max_per_hour: int = 2
) -> Remediation:
    rules = replace(ALL_ENABLED, max_per_hour=max_per_hour)
    return Remediation(rules, orders, lambda: state, clock=lambda: orders.now)


def test_a_remedy_is_an_order_in_the_name_of_its_alert(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    made = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    made.apply([STACK_DOWN])
    [order] = order_submitter.placed
    assert (order.request, order.actor, order.client_address) == (
        POWER_CYCLE_REQUEST,
        "remedy:PiRackStackGone",
        "alertmanager",
    )
    assert made.status_text(STACK_DOWN) == "order 1: power_cycle"


def test_an_alert_that_is_told_again_is_not_remedied_again(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    made = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    made.apply([STACK_DOWN])
    made.apply([STACK_DOWN, STACK_DOWN])
    assert len(order_submitter.placed) == 1
    made.apply([replace(STACK_DOWN, started_at=1900.0)])  # it was over, and fires anew
    assert len(order_submitter.placed) == 2


def test_so_many_in_an_hour_are_enough_whatever_they_are_for(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    made = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    made.apply([replace(STACK_DOWN, started_at=each) for each in (1.0, 2.0, 3.0)])
    assert len(order_submitter.placed) == 2
    assert made.status_text(replace(STACK_DOWN, started_at=3.0)) == (
        "no remedy was used: 2 in the last hour are enough: somebody should look"
    )
    order_submitter.now += 3601
    made.apply([replace(STACK_DOWN, started_at=3.0)])
    assert len(order_submitter.placed) == 3


def test_what_others_ordered_does_not_count(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    order_submitter.submit(POWER_CYCLE_REQUEST, "otto", "127.0.0.1")
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    assert len(order_submitter.placed) == 2


def test_a_restart_of_the_controller_does_not_begin_a_new_hour(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    assert len(order_submitter.placed) == 1


def test_a_remedy_that_is_refused_is_tried_again_when_the_alert_is_told_again(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    made = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    order_submitter.is_busy = True
    made.apply([STACK_DOWN])
    assert made.status_text(STACK_DOWN).startswith("no remedy was used: stack 3 is busy")
    order_submitter.is_busy = False
    made.apply([STACK_DOWN])
    assert made.status_text(STACK_DOWN) == "order 1: power_cycle"
