"""State of stacks and rasps whose outlets are read."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from controller.state.build import STATE_SERIES, build_rack_state
from controller.state.model import (
    PowerState,
    RackState,
    RaspStatus,
    source_error,
)
from controller.state.outlets import combine_power
from controller.state.prometheus import Sample
from rack.layout import Outlet
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading
from tests.controller.fakes import installed_rasps
from tests.helpers.plugs import plug_rack

RACK = plug_rack()
A, B = RACK.outlet(1, 1), RACK.outlet(1, 2)
C = RACK.outlet(2)
RELAY = RACK.outlet(3)

NOW = 5000.0
ON, OFF = CommandedPower(True, NOW - 1000, "boot"), CommandedPower(False, NOW - 1000, "boot")
ALL_ON = dict.fromkeys(RACK.outlets, ON)
UP, DOWN, RULED_OFF = 1.0, 0.0, 4.0
NO_REPLY = "no reply within 5 s: check the switch"


def state_samples(values: Mapping[str, float]) -> Iterable[Sample]:
    """Yield the recorded state of each rasp. By default, all rasps are up."""
    for slot in RACK.slots:
        labels = {"__name__": STATE_SERIES, "stack": slot.stack_name, "slot": str(slot.number)}
        yield Sample(labels, values.get(slot.name, UP))


def rack_state(
    values: Mapping[str, float] | None = None,
    *,
    commanded: Mapping[Outlet, CommandedPower] | None = None,
    readings: Mapping[Outlet, OutletReading] | None = None,
    energy: Mapping[Outlet, float] | None = None,
) -> RackState:
    return build_rack_state(
        RACK,
        installed_rasps(RACK),
        state_samples(values or {}),
        commanded={**ALL_ON, **(commanded or {})},
        readings=readings,
        energy=energy,
        now=NOW,
    )


def unreadable(outlet: Outlet) -> OutletReading:
    return OutletReading(None, error=f"{outlet.label} (test): {NO_REPLY}")


@pytest.mark.parametrize(
    ("powers", "combined"),
    [
        (["on", "on"], "on"),
        (["off", "off"], "off"),
        (["on", "off"], "partial"),
        (["on", "unknown"], "unknown"),
        (["off", "unknown"], "unknown"),
        ([], "unknown"),
    ],
)
def test_power_of_a_stack_follows_from_its_outlets(powers: list[str], combined: str) -> None:
    assert combine_power(map(PowerState, powers)) == combined


def test_stack_with_one_outlet_off_is_partly_on_and_its_rasp_is_off() -> None:
    state = rack_state({"01-2": DOWN}, commanded={B: OFF})
    stack = state.stacks[0]
    assert stack.power is PowerState.PARTIAL
    assert [(rasp.state, rasp.power, rasp.reason) for rasp in stack.rasps] == [
        (RaspStatus.UP, PowerState.ON, ""),
        (RaspStatus.OFF, PowerState.OFF, "its outlet is switched off"),
    ]
    assert state.power_warnings == {}


def test_rasps_of_a_shared_outlet_have_its_power_and_no_outlet_of_their_own() -> None:
    state = rack_state(dict.fromkeys(("02-1", "02-2"), DOWN), commanded={C: OFF})
    assert [(rasp.power, rasp.outlet, rasp.reason) for rasp in state.stacks[1].rasps] == [
        (PowerState.OFF, None, "its stack is switched off")
    ] * 2
    assert [outlet.outlet.label for outlet in state.stacks[1].outlets] == ["plugs:c"]


def test_observed_power_is_read_from_the_outlets() -> None:
    readings = {A: OutletReading(True), B: OutletReading(False), C: OutletReading(True)}
    state = rack_state(dict.fromkeys(("02-1", "02-2"), DOWN), readings=readings)
    assert [stack.observed for stack in state.stacks] == ["partial", "on", "on"]


def test_outlet_that_cannot_be_observed_is_observed_by_its_rasps() -> None:
    state = rack_state({"02-1": DOWN, "02-2": DOWN}, readings={C: OutletReading(None)})
    assert (state.stacks[1].power, state.stacks[1].observed) == ("on", "off")


def test_power_is_unknown_while_an_outlet_cannot_be_read() -> None:
    state = rack_state(readings={C: unreadable(C)}, commanded={C: OFF})
    stack = state.stacks[1]
    assert (stack.power, stack.observed) == ("unknown", "on")  # its rasps respond
    assert stack.outlets[0].error == f"plugs:c (test): {NO_REPLY}"
    assert {rasp.power for rasp in stack.rasps} == {PowerState.UNKNOWN}
    assert [other.power for other in (state.stacks[0], state.stacks[2])] == ["on", "on"]


@pytest.mark.parametrize("value", [DOWN, RULED_OFF])
def test_rasp_without_response_is_down_and_not_off_while_its_outlet_cannot_be_read(
    value: float,
) -> None:
    values = dict.fromkeys(("02-1", "02-2"), value)
    stack = rack_state(values, readings={C: unreadable(C)}, commanded={C: OFF}).stacks[1]
    assert {rasp.state for rasp in stack.rasps} == {RaspStatus.DOWN}
    assert stack.observed is PowerState.UNKNOWN


def test_outlets_of_a_source_that_does_not_respond_are_one_warning_with_all_their_rasps() -> None:
    state = rack_state(readings={outlet: unreadable(outlet) for outlet in (A, B, C)})
    [(reason, rasps)] = state.power_warnings.items()
    assert reason == f"unknown: plugs (test): {NO_REPLY}"
    assert [rasp.slot.name for rasp in rasps] == ["01-1", "01-2", "02-1", "02-2"]


def test_relays_that_cannot_be_used_are_no_warning() -> None:
    error = "the relays cannot be used: no GPIO chip"
    state = rack_state(readings={RELAY: OutletReading(None, error=error)})
    assert state.power_warnings == {}
    assert (state.stacks[2].power, state.stacks[2].outlets[0].error) == ("unknown", error)


def test_outlet_that_differs_from_its_command_is_a_warning_of_its_rasp() -> None:
    differs = replace(ON, outlet_differs=True)
    state = rack_state({"01-2": DOWN}, commanded={B: differs}, readings={B: OutletReading(False)})
    mismatch = (
        "commanded on, but its outlet is off: an order was interrupted, or something other than"
        " PiRack switched it. Use power on or power off"
    )
    assert state.stacks[0].power_mismatch == f"01-2: {mismatch}"
    assert state.stacks[0].outlet_differs
    assert [rasp.slot.name for rasp in state.power_warnings[mismatch]] == ["01-2"]
    [outlet] = [rasp.outlet for rasp in state.stacks[0].rasps if rasp.slot.number == 2]
    assert outlet is not None
    assert (outlet.power, outlet.observed, outlet.mismatch) == ("on", "off", mismatch)


def test_difference_is_unknown_while_the_outlet_cannot_be_read() -> None:
    differs = replace(ON, outlet_differs=True)
    stack = rack_state(commanded={C: differs}, readings={C: unreadable(C)}).stacks[1]
    assert (stack.power_mismatch, stack.outlet_differs) == ("", False)


def test_rasps_that_respond_although_their_outlets_are_off_are_one_warning() -> None:
    state = rack_state(commanded={A: OFF, B: OFF})
    [(reason, rasps)] = state.power_warnings.items()
    assert reason == (
        "switched off, but still responds: check for a stuck outlet, the wiring or another supply"
    )
    assert [rasp.slot.name for rasp in rasps] == ["01-1", "01-2"]


def test_rasp_that_is_down_although_its_own_outlet_is_on_is_no_power_warning() -> None:
    state = rack_state({"01-1": DOWN}, readings={A: OutletReading(True), B: OutletReading(True)})
    assert state.stacks[0].power_mismatch == ""
    assert (state.rasps[0].state, state.power_warnings) == (RaspStatus.DOWN, {})


def test_stack_without_response_is_no_mismatch_if_its_outlet_was_read_as_on() -> None:
    values = dict.fromkeys(("02-1", "02-2"), DOWN)
    assert "no rasp responds" in rack_state(values).stacks[1].power_mismatch
    assert rack_state(values, readings={C: OutletReading(True)}).stacks[1].power_mismatch == ""


def test_watts_and_energy_are_those_of_the_outlets() -> None:
    readings = {A: OutletReading(True, 3.0), B: OutletReading(True, 4.5), C: OutletReading(True, 9)}
    state = rack_state(readings=readings, energy={A: 10.0, B: 5.0})
    assert [rasp.watts for rasp in state.rasps] == [3.0, 4.5, None, None, None, None]
    assert [rasp.energy_joules for rasp in state.rasps[:2]] == [10.0, 5.0]
    assert [stack.watts for stack in state.stacks] == [7.5, 9.0, None]
    assert [stack.energy_joules for stack in state.stacks] == [15.0, None, None]
    assert state.watts == 16.5


def test_watts_of_a_stack_are_unknown_if_an_outlet_that_is_on_is_not_measured() -> None:
    def watts(b: OutletReading) -> float | None:
        return rack_state(readings={A: OutletReading(True, 3.0), B: b}).stacks[0].watts

    assert watts(OutletReading(False)) == 3.0
    assert watts(OutletReading(True)) is None
    assert watts(unreadable(B)) is None


def test_error_of_a_source_has_no_address() -> None:
    assert source_error(A, "plugs:a (test): no reply") == "plugs (test): no reply"
    assert source_error(A, "plugs:a: not read") == "plugs: not read"
    assert source_error(A, "plugs:ab (test): no reply") == "plugs:ab (test): no reply"
    assert source_error(RELAY, "GPIO16 is used") == "GPIO16 is used"
