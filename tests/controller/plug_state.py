"""State of a rack with plugs, for tests of pages and of the API."""

from collections.abc import Mapping

from rack.layout import Outlet
from rack.power.commanded_power import CommandedPower
from rack.power.state import OutletReading
from tests.controller.fakes import FakeRackState
from tests.helpers.plugs import plug_rack

RACK = plug_rack(network_prefix="127.23")
A, B, C = RACK.outlet(1, 1), RACK.outlet(1, 2), RACK.outlet(2)
"""Plugs of 01-1, of 01-2 and of stack 2."""

ON, OFF = CommandedPower(True, 0.0, "boot"), CommandedPower(False, 0.0, "boot")
NO_REPLY = "no reply within 5 s: check the switch"

_OFF_VALUE = 4.0  # of the recording rule


def state_of_plugs(
    others: Mapping[Outlet, OutletReading], *, energy: Mapping[Outlet, float]
) -> FakeRackState:
    """Return a state in which 01-1 is on, and no plug differs from its command.

    Args:
        others: Readings of the other plugs.
        energy: Measured energy in joules.
    """
    state = FakeRackState(RACK)
    state.readings = {A: OutletReading(True, 3.4, "delivering power"), **others}
    off = [outlet for outlet, reading in state.readings.items() if reading.power is False]
    state.commanded = {outlet: OFF if outlet in off else ON for outlet in state.readings}
    state.energy = dict(energy)
    slots = (slot for outlet in off for slot in RACK.stack(outlet.stack).slots_of(outlet))
    state.state_values |= {slot.name: _OFF_VALUE for slot in slots}
    return state


def no_reply(outlet: Outlet) -> OutletReading:
    """Return the reading of a plug whose device does not respond."""
    return OutletReading(None, error=f"{outlet.label} (test): {NO_REPLY}")
