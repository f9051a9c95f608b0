"""The states' colours and words: for everybody's eyes, and the same as everywhere in PiRack."""

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

# How people see who lack one of the three kinds of cones: Machado, Oliveira and Fernandes 2009,
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
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
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
    """As the Web Content Accessibility Guidelines say; they ask for 4.5."""
    dark, light = sorted((luminance(linear_rgb(one)), luminance(linear_rgb(other))))
    return (light + 0.05) / (dark + 0.05)


def color_difference(one: Rgb, other: Rgb) -> float:
    """CIE 1976: what is below 2.3 nobody sees."""
    return float(sum((a - b) ** 2 for a, b in zip(to_lab(one), to_lab(other), strict=True)) ** 0.5)


def to_lab(rgb: Rgb) -> Rgb:
    red, green, blue = rgb
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (_cube(part) for part in (x, luminance(rgb), z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _cube(value: float) -> float:
    return float(value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116)


@pytest.mark.parametrize("eyes", COLOR_VISION)
def test_no_two_states_have_colours_that_look_alike(eyes: str) -> None:
    for one, other in combinations(STATE_COLORS, 2):
        looks = color_difference(
            simulate_vision(STATE_COLORS[one], eyes), simulate_vision(STATE_COLORS[other], eyes)
        )
        assert looks > 12, (one, other, looks)


def test_the_text_on_each_colour_can_be_read() -> None:
    for each in (*states.RASP_STATES, *states.STACK_STATES):
        assert contrast(each.color, each.text_color) >= 4.5, each.text
    assert contrast(states.UNKNOWN_COLOR, states.WHITE) >= 4.5


def test_the_values_mean_what_they_mean_to_the_controller() -> None:
    words = {
        value: (warmth or state).upper()
        if warmth is not TemperatureLevel.NORMAL
        else RaspStatus.UP.upper()
        for value, (state, warmth) in _STATE_BY_RULE_VALUE.items()
    }
    assert {each.value: each.text for each in states.RASP_STATES} == words


def test_temperatures_change_colour_where_the_state_rule_says_warm_and_hot() -> None:
    [group] = yaml.safe_load((RULES / "thresholds.yml").read_text())["groups"]
    rules = {rule["record"]: rule["expr"] for rule in group["rules"]}
    assert rules["pirack:threshold:warm_celsius"] == f"vector({states.WARM_CELSIUS})"
    assert rules["pirack:threshold:hot_celsius"] == f"vector({states.HOT_CELSIUS})"
