"""Tests of the template filters."""

import time
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from controller.pages import formatting, times
from controller.state.durations import coarse_duration
from grafana import states
from rack.bands import temperature_band


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


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (5, "just now"),
        (-5, "just now"),
        (250, "4 min ago"),
        (-7300, "in 2 h"),
        (6 * 86400, "6 d ago"),
        (8 * 86400, "2026-11-21"),
    ],
)
def test_relative_time_is_a_date_unless_it_is_within_a_week(age: float, text: str) -> None:
    now = datetime(2026, 11, 29, 12).astimezone().timestamp()
    assert times.relative_time(now - age, now) == text


def test_clock_time_adds_the_date_unless_it_is_today() -> None:
    assert times.clock_time(time.time()).count(":") == 2
    assert times.clock_time(0).startswith(("1970-01-01", "1969-12-31"))
    assert times.clock_time(0, "short") in {"01 Jan", "31 Dec"}


def test_full_time_names_the_time_zone() -> None:
    assert times.full_time(0).endswith(times.local_datetime(0).strftime(" %Z"))


def test_warm_and_hot_begin_with_a_color_band_in_the_pages_and_with_the_rules_and_grafana() -> None:
    groups = yaml.safe_load(Path("prometheus/rules/thresholds.yml").read_text())["groups"]
    rules = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    warm, hot = states.WARM_CELSIUS, states.HOT_CELSIUS
    assert rules["pirack:threshold:warm_celsius"] == f"vector({warm})"
    assert rules["pirack:threshold:hot_celsius"] == f"vector({hot})"
    bands = [temperature_band(celsius) for celsius in (warm - 1, warm, hot - 1, hot)]
    assert bands == [5, 6, 8, 9]


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
