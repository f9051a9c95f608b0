"""Tests of the template filters."""

import time

import pytest

from controller.pages import formatting
from controller.state.durations import coarse_duration
from rack.bands import temperature_band


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (44.563, "44.563"), (0.00012345678, "0.000123457"), (1795552960.0, "1795552960")],
)
def test_format_number_keeps_significant_digits(value: float, text: str) -> None:
    assert formatting.format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "less than 1 min"),
        (150, "2 min"),
        (7300, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_coarse_duration_rounds_down_to_the_largest_unit(seconds: float, text: str) -> None:
    assert coarse_duration(seconds) == text


def test_format_time_adds_the_date_unless_it_is_today() -> None:
    assert formatting.format_time(time.time()).count(":") == 2
    assert formatting.format_time(0).startswith(("1970-01-01", "1969-12-31"))


@pytest.mark.parametrize(
    ("celsius", "band"), [(-20, 0), (34.4, 0), (34.6, 1), (74.4, 8), (75, 9), (120, 9)]
)
def test_temperature_band_uses_the_rounded_value(celsius: float, band: int) -> None:
    assert temperature_band(celsius) == band


@pytest.mark.parametrize(("cores", "band"), [(0, 0), (0.44, 0), (0.46, 1), (3.9, 7), (64, 9)])
def test_cpu_band_uses_the_rounded_value(cores: float, band: int) -> None:
    assert formatting.cpu_band(cores) == band


def test_format_conditions_sorts_by_severity_and_keeps_unknown_conditions() -> None:
    conditions = frozenset({"throttled", "under_voltage", "on_fire"})
    assert formatting.format_conditions(conditions) == ["under-voltage", "throttled", "on_fire"]
