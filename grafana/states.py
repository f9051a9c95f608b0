"""How the states of rasps and stacks are shown: a word and a colour each, never a colour alone.

People who see no red, no green or no blue tell the colours apart, and on each of them the text in
its ink can be read.
"""

from dataclasses import dataclass

from grafana.json_format import Json

WHITE, BLACK = "#ffffff", "#111217"


@dataclass(frozen=True, slots=True)
class ValueStyle:
    """A value of a series, the word that stands for it, its colour and that of text on it."""

    value: int
    text: str
    color: str
    text_color: str = WHITE


DOWN = ValueStyle(0, "DOWN", "#bf0f47")
UP = ValueStyle(1, "UP", "#11806a")
WARM = ValueStyle(2, "WARM", "#f7c325", BLACK)
HOT = ValueStyle(3, "HOT", "#f4701c", BLACK)
OFF = ValueStyle(4, "OFF", "#98a1ab", BLACK)

# The values of the rule rack_stack_slot:pirack_rasp_state:max, in prometheus/rules/state.yml.
RASP_STATES = (DOWN, UP, WARM, HOT, OFF)
STACK_STATES = (ValueStyle(0, "off", "#59616f"), ValueStyle(1, "on", "#2f5d8c"))

UNKNOWN_COLOR = "#2b2f36"
NEUTRAL_COLOR = "#454b56"

# Of curves, which have no text on them and are seen on light and on dark ground.
BLUE, TEAL, ORANGE, GREY = "#5794f2", "#2fa58b", "#e8762d", "#8b94a3"
# Of the slots of a stack, after Okabe and Ito; more slots than these have Grafana's colours.
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

# Where the state rule says warm, and hot.
WARM_CELSIUS, HOT_CELSIUS = 60, 75


def value_mappings(*styles: ValueStyle) -> list[Json]:
    """Return the value mapping that puts words and colours in the place of values."""
    options = {
        str(each.value): {"text": each.text, "color": each.color, "index": index}
        for index, each in enumerate(styles)
    }
    return [{"type": "value", "options": options}]


def text_color_mappings(*styles: ValueStyle) -> list[Json]:
    """Return the value mapping that gives values the colour of text on their own colour."""
    return value_mappings(*(ValueStyle(each.value, each.text, each.text_color) for each in styles))


def severity_mappings() -> list[Json]:
    """Return the value mapping that gives the severities of alerts their colours."""
    colours = {"critical": DOWN.color, "warning": HOT.color, "info": STACK_STATES[1].color}
    options = {
        word: {"text": word, "color": colour, "index": index}
        for index, (word, colour) in enumerate(colours.items())
    }
    return [{"type": "value", "options": options}]


def thresholds(*above: tuple[float, str], base_color: str = UP.color) -> Json:
    """Return thresholds: the colour `base_color`, and another one from each value on."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": base_color, "value": None},
            *({"color": colour, "value": value} for value, colour in above),
        ],
    }


def usage_thresholds() -> Json:
    """Return the thresholds of what must not get full, as a part of 1."""
    return thresholds((0.9, WARM.color), (0.95, HOT.color))


def temperature_thresholds(*, base_color: str = UP.color) -> Json:
    """Return the thresholds of temperatures: those of the state rule."""
    return thresholds((WARM_CELSIUS, WARM.color), (HOT_CELSIUS, HOT.color), base_color=base_color)
