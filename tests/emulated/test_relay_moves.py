"""Tests of the translation of pins to the power of stacks."""

import pytest

from rack.layout_file import load
from tests.emulated.cache import ROOT
from tests.emulated.gpio_trace import Drive, PinChange
from tests.emulated.relay_moves import Power, RelayMove, power_after, relay_moves
from tests.helpers.layouts import pin_of

RACK = load(ROOT / "rack.toml")  # active_high = true, normally closed
FIRST, SECOND = RACK.stacks[:2]


def test_energized_relay_cuts_the_power_of_its_stack() -> None:
    changes = [
        PinChange(1, pin_of(FIRST), Drive.INPUT, Drive.LOW),
        PinChange(2, pin_of(SECOND), Drive.INPUT, Drive.HIGH),
        PinChange(3, pin_of(FIRST), Drive.LOW, Drive.INPUT),
    ]
    moves = list(relay_moves(changes, RACK))
    assert moves == [
        RelayMove(1, 1, Power.ON),
        RelayMove(2, 2, Power.OFF),
        RelayMove(3, 1, Power.RELEASED),
    ]
    power = power_after(moves, RACK)
    assert (power[1], power[2], power[3]) == (Power.RELEASED, Power.OFF, Power.RELEASED)


def test_other_function_of_a_relay_pin_is_rejected() -> None:
    with pytest.raises(KeyError):
        list(relay_moves([PinChange(1, pin_of(FIRST), Drive.INPUT, Drive.ALTERNATE)], RACK))
