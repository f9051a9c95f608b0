"""Tests of the energy of a run."""

from controller.experiments.energy import (
    EnergySum,
    OutletEnergy,
    RunEnergy,
    outlets_of,
    run_energy,
)
from controller.outlet_monitor import EnergyReading
from tests.helpers.plugs import plug_rack

RACK = plug_rack()
A, B, C, RELAY = (RACK.outlet(1, 1), RACK.outlet(1, 2), RACK.outlet(2), RACK.outlet(3))
FIRST = EnergyReading(joules=100.0, measured_seconds=50.0, at=1000.0)
LAST = EnergyReading(joules=460.0, measured_seconds=170.0, at=1120.0)


def test_outlets_of_a_run_are_those_that_power_its_nodes() -> None:
    assert outlets_of(RACK, ["01-2", "02-1", "02-2"]) == [B, C]


def test_energy_of_an_outlet_is_the_difference_of_its_readings() -> None:
    energy = run_energy([B, C], {B: FIRST, C: FIRST}, {B: LAST, C: LAST})
    assert energy.outlets == (OutletEnergy(1, "01-2", 360.0), OutletEnergy(2, None, 360.0))
    assert energy.total == EnergySum(720.0, is_complete=True)


def test_energy_is_unknown_if_readings_are_missing() -> None:
    gap = EnergyReading(joules=460.0, measured_seconds=160.0, at=1120.0)
    first = {A: FIRST, B: FIRST, C: FIRST}
    energy = run_energy([A, B, C, RELAY], first, {A: gap, B: LAST})
    assert [outlet.joules for outlet in energy.outlets] == [None, 360.0, None, None]
    assert energy.total == EnergySum(360.0, is_complete=False)
    assert energy.stacks == {
        1: EnergySum(360.0, is_complete=False),
        2: EnergySum(None, is_complete=False),
        3: EnergySum(None, is_complete=False),
    }


def test_outlet_without_consumption_has_measured_zero_joules() -> None:
    energy = run_energy([C], {C: FIRST}, {C: EnergyReading(100.0, 170.0, 1120.0)})
    assert energy.total == EnergySum(0.0, is_complete=True)
    assert RunEnergy(()).total.joules is None
