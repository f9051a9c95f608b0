"""How the states of rasps and stacks are shown: a word and a colour each, never a colour alone.

The colours carry white text with a contrast of 4.5 and more, and people who see no red, no green or
no blue tell them apart.
"""

from dataclasses import dataclass

from grafana.readable import Json


@dataclass(frozen=True, slots=True)
class Shown:
    """A value of a series, the word that stands for it and its colour."""

    value: int
    word: str
    colour: str


DOWN = Shown(0, "DOWN", "#b5134f")
UP = Shown(1, "UP", "#0f7560")
WARM = Shown(2, "WARM", "#8f6200")
HOT = Shown(3, "HOT", "#cb4a07")
OFF = Shown(4, "OFF", "#59616f")

# The values of the rule rack_stack_slot:pirack_rasp_state:max, in prometheus/rules/state.yml.
RASP = (DOWN, UP, WARM, HOT, OFF)
STACK = (Shown(0, "off", OFF.colour), Shown(1, "on", "#2f5d8c"))

UNKNOWN_COLOUR = "#33373f"
NOTHING_COLOUR = "#454b56"

# Of curves, which have no text on them and are seen on light and on dark ground.
BLUE, TEAL, ORANGE, GREY = "#5794f2", "#2fa58b", "#e8762d", "#8b94a3"

# Where the state rule says warm, and hot.
WARM_CELSIUS, HOT_CELSIUS = 60, 75


def mapping(*shown: Shown) -> list[Json]:
    """Return the value mapping that puts words and colours in the place of values."""
    options = {
        str(each.value): {"text": each.word, "color": each.colour, "index": index}
        for index, each in enumerate(shown)
    }
    return [{"type": "value", "options": options}]


def steps(*above: tuple[float, str], base: str = UP.colour) -> Json:
    """Return thresholds: the colour `base`, and another one from each value on."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": base, "value": None},
            *({"color": colour, "value": value} for value, colour in above),
        ],
    }


def temperature_steps() -> Json:
    """Return the thresholds of temperatures: those of the state rule."""
    return steps((WARM_CELSIUS, WARM.colour), (HOT_CELSIUS, HOT.colour))
