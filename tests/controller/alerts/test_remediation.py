"""Automatic remediation of alerts, and the conditions that prevent it."""

from dataclasses import replace
from typing import Any

import pytest

from controller.alerts.remediation import Remediation, RemediationSkippedError, plan
from controller.errors import StackBusyError
from controller.orders.model import Order, OrderRequest, OrderSummary
from controller.orders.store import OrderFilter
from controller.state.alert import Alert
from controller.state.model import PowerState, RackState, RaspStatus, StackState
from rack.settings import RemediationSettings
from tests.controller.fakes import FakeRackState

ALL_ENABLED = RemediationSettings(power_cycle_dead_stack=True, reboot_wedged_rasp=True)
STACK_DOWN = Alert(
    "a1", {"alertname": "PiRackStackDown", "rack": "pirack", "stack": "03"}, {}, 1000.0
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
    """Return the rack with all rasps of these stacks down."""
    for number in stacks:
        rasps = tuple(
            replace(rasp, state=RaspStatus.DOWN, answers_ping=False)
            for rasp in state.stacks[number - 1].rasps
        )
        state = replace_stack(state, number, rasps=rasps, power=PowerState.ON)
    return state


def with_hung_rasps(state: RackState, *names: str) -> RackState:
    """Return the rack with these rasps hung: they answer ping, but their exporter is down."""
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


def test_plan_requires_enabled_remediation(healthy_rack: RackState) -> None:
    assert plan(STACK_DOWN, RemediationSettings(), with_dead_stacks(healthy_rack, 3)) is None
    assert plan(RASP_HUNG, RemediationSettings(), with_hung_rasps(healthy_rack, "03-2")) is None


def test_remediations_are_enabled_separately(healthy_rack: RackState) -> None:
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


def test_plan_power_cycles_dead_stack(healthy_rack: RackState) -> None:
    assert plan(STACK_DOWN, ALL_ENABLED, with_dead_stacks(healthy_rack, 3)) == POWER_CYCLE_REQUEST


def test_plan_reboots_hung_rasp(healthy_rack: RackState) -> None:
    assert plan(RASP_HUNG, ALL_ENABLED, with_hung_rasps(healthy_rack, "03-2")) == REBOOT_REQUEST


def test_plan_ignores_other_alerts_other_racks_and_unknown_stacks(healthy_rack: RackState) -> None:
    other_alert = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "alertname": "PiRackRaspDown"})
    other_rack = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "rack": "west"})
    unknown_stack = replace(STACK_DOWN, labels={**STACK_DOWN.labels, "stack": "99"})
    for alert in (other_alert, other_rack, unknown_stack):
        assert plan(alert, ALL_ENABLED, with_dead_stacks(healthy_rack, 3)) is None


def skip_reason(alert: Alert, state: RackState) -> str:
    with pytest.raises(RemediationSkippedError) as caught:
        plan(alert, ALL_ENABLED, state)
    return str(caught.value)


def test_power_cycle_is_skipped_if_several_stacks_are_down(healthy_rack: RackState) -> None:
    assert skip_reason(STACK_DOWN, with_dead_stacks(healthy_rack, 3, 7)).startswith(
        "stacks 03, 07 are down at the same time"
    )


def test_power_cycle_is_skipped_if_no_other_stack_is_up(
    healthy_rack: RackState,
) -> None:
    now = with_dead_stacks(healthy_rack, 3)
    for number in (1, 2, *range(4, 13)):
        rasps = tuple(replace(rasp, state=RaspStatus.OFF) for rasp in now.stacks[number - 1].rasps)
        now = replace_stack(now, number, rasps=rasps, power=PowerState.OFF)
    assert "the network may be the cause" in skip_reason(STACK_DOWN, now)


def test_power_cycle_is_skipped_after_an_interrupted_order(healthy_rack: RackState) -> None:
    mismatch = "commanded on, but its relay is off"
    now = replace_stack(
        with_dead_stacks(healthy_rack, 3), 3, outlet_differs=True, power_mismatch=mismatch
    )
    assert skip_reason(STACK_DOWN, now) == mismatch


def test_remediation_is_skipped_while_stack_is_reserved(healthy_rack: RackState) -> None:
    now = replace_stack(with_dead_stacks(healthy_rack, 3), 3, reserved_by="order 12: power_off")
    assert skip_reason(STACK_DOWN, now) == "stack 3 is busy with order 12: power_off"
    now = replace_stack(with_hung_rasps(healthy_rack, "03-2"), 3, reserved_by="install 4")
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
def test_power_cycle_is_skipped_if_a_rasp_may_be_up(
    healthy_rack: RackState, fields: dict[str, Any]
) -> None:
    now = with_dead_stacks(healthy_rack, 3)
    first, *others = now.stacks[2].rasps
    now = replace_stack(now, 3, rasps=(replace(first, **fields), *others))
    assert "no longer down" in skip_reason(STACK_DOWN, now)


def test_power_cycle_is_skipped_if_stack_is_off(healthy_rack: RackState) -> None:
    assert "no longer down" in skip_reason(
        STACK_DOWN, replace_stack(with_dead_stacks(healthy_rack, 3), 3, power=PowerState.OFF)
    )


def test_reboot_is_skipped_if_many_exporters_are_down(
    healthy_rack: RackState,
) -> None:
    assert (
        plan(RASP_HUNG, ALL_ENABLED, with_hung_rasps(healthy_rack, "03-2", "07-1"))
        == REBOOT_REQUEST
    )
    now = with_hung_rasps(healthy_rack, "03-2", "07-1", "08-1")
    assert skip_reason(RASP_HUNG, now).startswith("3 exporters are down at the same time")


def test_reboot_is_skipped_if_rasp_is_up_or_fully_down(
    healthy_rack: RackState,
) -> None:
    assert "no longer hung" in skip_reason(RASP_HUNG, healthy_rack)
    assert "no longer hung" in skip_reason(RASP_HUNG, with_dead_stacks(healthy_rack, 3))


class FakeOrderSubmitter:
    """Order service that stores orders without running them."""

    def __init__(self) -> None:
        self.submitted: list[Order] = []
        self.is_busy = False
        self.now = 2000.0

    def submit(self, request: OrderRequest, actor: str, client_address: str) -> Order:
        if self.is_busy:
            raise StackBusyError(3, "order 12: power_off")
        order = Order(
            id=len(self.submitted) + 1,
            request=request,
            targets=(),
            actor=actor,
            client_address=client_address,
            started_at=self.now,
            results=(),
        )
        self.submitted.insert(0, order)
        return order

    def list_recent(
        self, limit: int, order_filter: OrderFilter | None = None
    ) -> list[OrderSummary]:
        return [order.summary for order in self.submitted[:limit]]


@pytest.fixture
def order_submitter() -> FakeOrderSubmitter:
    return FakeOrderSubmitter()


def make_remediation(
    orders: FakeOrderSubmitter, state: RackState, *, max_per_hour: int = 2
) -> Remediation:
    settings = ALL_ENABLED.model_copy(update={"max_per_hour": max_per_hour})
    return Remediation(settings, orders, lambda: state, clock=lambda: orders.now)


def test_remediation_submits_order_with_alert_as_actor(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    remediation = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    remediation.apply([STACK_DOWN])
    [order] = order_submitter.submitted
    assert (order.request, order.actor, order.client_address) == (
        POWER_CYCLE_REQUEST,
        "remediation:PiRackStackDown",
        "alertmanager",
    )
    assert remediation.status_text(STACK_DOWN) == "order 1: power_cycle"


def test_occurrence_is_remediated_once(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    remediation = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    remediation.apply([STACK_DOWN])
    remediation.apply([STACK_DOWN, STACK_DOWN])
    assert len(order_submitter.submitted) == 1
    remediation.apply([replace(STACK_DOWN, started_at=1900.0)])  # resolved, and firing again
    assert len(order_submitter.submitted) == 2


def test_max_per_hour_limits_all_remediations(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    remediation = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    remediation.apply(
        [replace(STACK_DOWN, started_at=started_at) for started_at in (1.0, 2.0, 3.0)]
    )
    assert len(order_submitter.submitted) == 2
    assert remediation.status_text(replace(STACK_DOWN, started_at=3.0)) == (
        "skipped: the limit of 2 remediation orders per hour is reached: check the rack"
    )
    order_submitter.now += 3601
    remediation.apply([replace(STACK_DOWN, started_at=3.0)])
    assert len(order_submitter.submitted) == 3


def test_orders_of_users_do_not_count_toward_the_limit(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    order_submitter.submit(POWER_CYCLE_REQUEST, "otto", "127.0.0.1")
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    assert len(order_submitter.submitted) == 2


def test_limit_includes_orders_before_a_restart(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3), max_per_hour=1).apply(
        [STACK_DOWN]
    )
    assert len(order_submitter.submitted) == 1


def test_rejected_remediation_is_retried_with_the_next_notification(
    order_submitter: FakeOrderSubmitter, healthy_rack: RackState
) -> None:
    remediation = make_remediation(order_submitter, with_dead_stacks(healthy_rack, 3))
    order_submitter.is_busy = True
    remediation.apply([STACK_DOWN])
    assert remediation.status_text(STACK_DOWN).startswith("skipped: stack 3 is busy")
    order_submitter.is_busy = False
    remediation.apply([STACK_DOWN])
    assert remediation.status_text(STACK_DOWN) == "order 1: power_cycle"
