"""Tests of units in texts."""

import pytest

from rack.units import format_available, format_bytes, format_energy


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0.0, "0.000 Wh"), (90.0, "0.025 Wh"), (12_240.0, "3.4 Wh"), (4_320_000.0, "1.2 kWh")],
)
def test_energy_is_in_watt_hours(joules: float, text: str) -> None:
    assert format_energy(joules) == text


@pytest.mark.parametrize(
    ("number_of_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (64 * 2**20, "64 MiB"),
        (742_391_808, "708 MiB"),
        (1023.7 * 2**20, "1.0 GiB"),
        (3_977_637_888, "3.7 GiB"),
        (3 * 2**50, "3072 TiB"),
    ],
)
def test_size_is_in_binary_units(number_of_bytes: float, text: str) -> None:
    assert format_bytes(number_of_bytes) == text


@pytest.mark.parametrize(
    ("available", "text"),
    [(742_391_808, "708 MiB of 3.7 GiB available"), (2_147_483_648, "2 of 3.7 GiB available")],
)
def test_available_part_repeats_no_unit(available: int, text: str) -> None:
    assert format_available(available, 3_977_637_888) == text
