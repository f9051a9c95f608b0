"""Tests that color-blind users can distinguish states, and that texts match the controller."""

from itertools import combinations
from pathlib import Path

import pytest
import yaml

from controller.state.build import _STATE_BY_RULE_VALUE
from controller.state.model import RaspStatus, TemperatureLevel
from grafana import states
from tests.grafana.colors import COLOR_VISION, color_difference, contrast, ink, simulate_vision

RULES = Path(__file__).parents[2] / "prometheus" / "rules"
STATE_COLORS = {each.text: each.color for each in states.RASP_STATES} | {
    "UNKNOWN": states.UNKNOWN_COLOR
}


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


def test_text_whose_color_grafana_chooses_is_readable() -> None:
    styles = (*states.RASP_STATES, states.UNKNOWN, *states.STACK_STATES, *states.SEVERITIES)
    for color in (*(style.color for style in styles), states.NEUTRAL_COLOR):
        assert contrast(color, ink(color)) >= 4.5, color


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
