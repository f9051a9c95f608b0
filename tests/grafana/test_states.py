"""Tests that color-blind users can distinguish states, and that texts match the controller."""

from itertools import combinations
from pathlib import Path

import pytest
import yaml

from controller.state.build import _STATE_BY_RULE_VALUE
from controller.state.model import RaspStatus, TemperatureLevel
from grafana import states

RULES = Path(__file__).parents[2] / "prometheus" / "rules"
STATE_COLORS = {each.text: each.color for each in states.RASP_STATES} | {
    "UNKNOWN": states.UNKNOWN_COLOR
}

Rgb = tuple[float, float, float]

# Simulation of color vision without one kind of cones. Machado, Oliveira and Fernandes 2009,
# https://doi.org/10.1109/TVCG.2009.113, severity 1, on linear RGB.
COLOR_VISION = {
    "all three": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear_rgb(color: str) -> Rgb:
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return _linear_channel(red), _linear_channel(green), _linear_channel(blue)


def _linear_channel(channel: float) -> float:
    return float(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)


def simulate_vision(color: str, vision: str) -> Rgb:
    red, green, blue = (
        min(max(sum(a * b for a, b in zip(row, linear_rgb(color), strict=True)), 0), 1)
        for row in COLOR_VISION[vision]
    )
    return red, green, blue


def luminance(rgb: Rgb) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG, which requires at least 4.5."""
    dark, light = sorted((luminance(linear_rgb(one)), luminance(linear_rgb(other))))
    return (light + 0.05) / (dark + 0.05)


def color_difference(one: Rgb, other: Rgb) -> float:
    """Return the CIE 1976 color difference. A difference below 2.3 is not visible."""
    return float(sum((a - b) ** 2 for a, b in zip(to_lab(one), to_lab(other), strict=True)) ** 0.5)


def to_lab(rgb: Rgb) -> Rgb:
    red, green, blue = rgb
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (_cube(part) for part in (x, luminance(rgb), z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _cube(value: float) -> float:
    return float(value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116)


@pytest.mark.parametrize("vision", COLOR_VISION)
def test_colors_of_states_can_be_distinguished(vision: str) -> None:
    for one, other in combinations(STATE_COLORS, 2):
        difference = color_difference(
            simulate_vision(STATE_COLORS[one], vision), simulate_vision(STATE_COLORS[other], vision)
        )
        assert difference > 12, (one, other, difference)


def test_text_on_each_color_is_readable() -> None:
    for style in (*states.RASP_STATES, *states.STACK_STATES):
        assert contrast(style.color, style.text_color) >= 4.5, style.text
    assert contrast(states.UNKNOWN_COLOR, states.WHITE) >= 4.5


def test_values_have_the_same_meaning_as_in_the_controller() -> None:
    texts = {
        value: (level or state).upper()
        if level is not TemperatureLevel.NORMAL
        else RaspStatus.UP.upper()
        for value, (state, level) in _STATE_BY_RULE_VALUE.items()
    }
    assert {style.value: style.text for style in states.RASP_STATES} == texts


def test_temperature_colors_use_the_thresholds_of_the_state_rule() -> None:
    groups = yaml.safe_load((RULES / "thresholds.yml").read_text())["groups"]
    rules = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    assert rules["pirack:threshold:warm_celsius"] == f"vector({states.WARM_CELSIUS})"
    assert rules["pirack:threshold:hot_celsius"] == f"vector({states.HOT_CELSIUS})"
