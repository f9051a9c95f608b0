"""Tests of units in texts."""

import pytest

from rack.units import format_energy


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0.0, "0.000 Wh"), (90.0, "0.025 Wh"), (12_240.0, "3.4 Wh"), (4_320_000.0, "1.2 kWh")],
)
def test_energy_is_in_watt_hours(joules: float, text: str) -> None:
    assert format_energy(joules) == text
