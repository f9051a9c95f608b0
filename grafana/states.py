"""Texts and colors of the states of rasps and stacks.

The colors can be distinguished without red, green or blue vision. Text on each color is readable,
also in stat panels and tables, where Grafana chooses black or white for the text.
"""

from dataclasses import dataclass

from grafana.json_format import Json

WHITE, BLACK = "#ffffff", "#111217"


@dataclass(frozen=True, slots=True)
class ValueStyle:
    """Text and colors of a value of a series."""

    value: int
    text: str
    color: str
    text_color: str = WHITE


DOWN = ValueStyle(0, "DOWN", "#bf0f47")
UP = ValueStyle(1, "UP", "#11806a")
WARM = ValueStyle(2, "WARM", "#f7c325", BLACK)
HOT = ValueStyle(3, "HOT", "#ffa264", BLACK)
OFF = ValueStyle(4, "OFF", "#b4bcc5", BLACK)

# Values of rack_stack_slot:pirack_rasp_state:max. See prometheus/rules/rasp_state.yml.
RASP_STATES = (DOWN, UP, WARM, HOT, OFF)
STACK_STATES = (ValueStyle(0, "off", "#59616f"), ValueStyle(1, "on", "#2f5d8c"))
# Whether a reservation, a run or an order uses a stack.
FREE = ValueStyle(0, "free", UP.color)
IN_USE_COLOR = STACK_STATES[1].color
# The values are the order in tables.
SEVERITIES = (
    ValueStyle(1, "critical", DOWN.color),
    ValueStyle(2, "warning", HOT.color, BLACK),
    ValueStyle(3, "info", STACK_STATES[1].color),
)

UNKNOWN_COLOR = "#2b2f36"
NEUTRAL_COLOR = "#454b56"
# Not a value of the metric. Queries return it for a rasp without a state.
UNKNOWN = ValueStyle(-1, "UNKNOWN", UNKNOWN_COLOR)

# Colors of lines, for light and dark backgrounds.
BLUE, TEAL, ORANGE, GREY = "#5794f2", "#2fa58b", "#e8762d", "#8b94a3"
# Colors of slots, from the palette of Okabe and Ito. Further slots use Grafana's colors.
SLOT_COLORS = (
    "#56b4e9",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#0072b2",
    "#d55e00",
    "#f0e442",
    "#8b94a3",
)

# Thresholds of the state rule.
WARM_CELSIUS, HOT_CELSIUS = 60, 75


def value_mappings(*styles: ValueStyle) -> list[Json]:
    """Return a value mapping from values to texts and colors."""
    options = {
        str(style.value): {"text": style.text, "color": style.color, "index": index}
        for index, style in enumerate(styles)
    }
    return [{"type": "value", "options": options}]


def text_color_mappings(*styles: ValueStyle) -> list[Json]:
    """Return a value mapping from values to text colors."""
    return value_mappings(
        *(ValueStyle(style.value, style.text, style.text_color) for style in styles)
    )


def alert_name_mappings() -> list[Json]:
    """Return a value mapping that displays names of alerts without the prefix `PiRack`."""
    return [{"type": "regex", "options": {"pattern": "PiRack(.+)", "result": {"text": "$1"}}}]


def number_mappings(zero: ValueStyle, color: str) -> list[Json]:
    """Return a value mapping with a text for 0, and a color for all greater numbers."""
    others: Json = {"from": 1, "to": None, "result": {"color": color, "index": 1}}
    return [*value_mappings(zero), {"type": "range", "options": others}]


def thresholds(*above: tuple[float, str], base_color: str = UP.color) -> Json:
    """Return thresholds that start with `base_color` and change color at each value."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": base_color, "value": None},
            *({"color": color, "value": value} for value, color in above),
        ],
    }


def usage_thresholds() -> Json:
    """Return the thresholds of memory and disk usage, from 0 to 1."""
    return thresholds((0.9, WARM.color), (0.95, HOT.color))


def temperature_thresholds(*, base_color: str = UP.color) -> Json:
    """Return the thresholds of temperatures."""
    return thresholds((WARM_CELSIUS, WARM.color), (HOT_CELSIUS, HOT.color), base_color=base_color)
