"""Remediation of rasps that have outlets of their own."""

from dataclasses import replace
from typing import Any

import pytest

from controller.alerts.remediation import RemediationSkippedError, plan
from controller.orders.model import OrderRequest
from controller.state.alert import Alert
from controller.state.model import OutletState, PowerState, RackState, RaspState, RaspStatus
from rack.layout_file import parse
from rack.settings import RemediationSettings
from tests.controller.fakes import FakeRackState
from tests.controller.orders.outlet_lab import POWER_TABLE, STACKS
from tests.helpers.layouts import layout_text

RACK = parse(layout_text(STACKS, name="pirack", extra_tables=POWER_TABLE))
"""Two rasps in each stack. Those of stacks 1 and 2 have outlets of their own."""

ENABLED = RemediationSettings(power_cycle_dead_rasp=True)


def rasp_down(rasp: str = "02-1") -> Alert:
    labels = {"alertname": "PiRackRaspDown", "rack": "pirack", "stack": rasp[:2], "rasp": rasp}
    return Alert("c3", labels, {}, 1000.0)


def rack_with(*names: str, **fields: Any) -> RackState:
    """Return a rack in which these rasps are down, although they have power."""
    state = FakeRackState(RACK).read()
    on: dict[str, Any] = {"power": PowerState.ON}
    down = on | {"state": RaspStatus.DOWN, "answers_ping": False} | fields

    def rasp_state(rasp: RaspState) -> RaspState:
        return replace(rasp, **(down if rasp.slot.name in names else on))

    stacks = (
        replace(stack, power=PowerState.ON, rasps=tuple(map(rasp_state, stack.rasps)))
        for stack in state.stacks
    )
    return replace(state, stacks=tuple(stacks))


def skip_reason(state: RackState, alert: Alert) -> str:
    with pytest.raises(RemediationSkippedError) as caught:
        plan(alert, ENABLED, state)
    return str(caught.value)


def test_rasp_that_does_not_respond_is_power_cycled_alone() -> None:
    expected = OrderRequest("power_cycle", "rasps", (3,), force=True)
    assert plan(rasp_down(), ENABLED, rack_with("02-1")) == expected


def test_rasp_that_shares_its_outlet_is_not_power_cycled() -> None:
    assert plan(rasp_down("03-1"), ENABLED, rack_with("03-1")) is None


def test_power_cycle_of_a_rasp_must_be_enabled() -> None:
    settings = RemediationSettings(power_cycle_dead_stack=True, reboot_wedged_rasp=True)
    assert plan(rasp_down(), settings, rack_with("02-1")) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"state": RaspStatus.UP},
        {"state": RaspStatus.UNKNOWN},
        {"answers_ping": True},
        {"answers_ping": None},
        {"power": PowerState.OFF},
        {"power": PowerState.UNKNOWN},
    ],
)
def test_power_cycle_is_skipped_unless_the_rasp_is_surely_down(fields: dict[str, Any]) -> None:
    reason = skip_reason(rack_with("02-1", **fields), rasp_down())
    assert reason == "the rasp is no longer down, or its state is unknown"


def test_power_cycle_is_skipped_if_many_rasps_are_down() -> None:
    reason = skip_reason(rack_with("01-1", "02-1", "02-2"), rasp_down())
    assert reason == "3 rasps are down at the same time: they may have a common cause"


def test_power_cycle_is_skipped_if_no_other_rasp_is_up() -> None:
    state = rack_with("02-1")
    others = [
        replace(
            stack,
            rasps=tuple(
                rasp
                if rasp.slot.name == "02-1"
                else replace(rasp, state=RaspStatus.OFF, power=PowerState.OFF)
                for rasp in stack.rasps
            ),
        )
        for stack in state.stacks
    ]
    reason = skip_reason(replace(state, stacks=tuple(others)), rasp_down())
    assert reason == "no other rasp is up: the network may be the cause"


def test_power_cycle_is_skipped_if_the_outlet_differs_from_its_command() -> None:
    outlet = RACK.outlet(2, 1)
    mismatch = "commanded on, but poe:3 is off"
    differing = OutletState(outlet, mismatch=mismatch, differs=True)
    state = rack_with("02-1", outlet=differing)
    stacks = [replace(stack, outlets=(differing,)) for stack in state.stacks]
    assert skip_reason(replace(state, stacks=tuple(stacks)), rasp_down()) == mismatch


def test_power_cycle_is_skipped_while_the_stack_is_reserved() -> None:
    state = rack_with("02-1")
    stacks = [replace(stack, reserved_by="order 12: power_off") for stack in state.stacks]
    reason = skip_reason(replace(state, stacks=tuple(stacks)), rasp_down())
    assert reason == "stack 2 is busy with order 12: power_off"
