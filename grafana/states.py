"""How the states of rasps and stacks are shown: a word and a colour each, never a colour alone.

People who see no red, no green or no blue tell the colours apart, and on each of them the text in
its ink can be read.
"""

from dataclasses import dataclass

from grafana.readable import Json

WHITE, BLACK = "#ffffff", "#111217"


@dataclass(frozen=True, slots=True)
class Shown:
    """A value of a series, the word that stands for it, its colour and that of text on it."""

    value: int
    word: str
    colour: str
    ink: str = WHITE


DOWN = Shown(0, "DOWN", "#bf0f47")
UP = Shown(1, "UP", "#11806a")
WARM = Shown(2, "WARM", "#f7c325", BLACK)
HOT = Shown(3, "HOT", "#f4701c", BLACK)
OFF = Shown(4, "OFF", "#98a1ab", BLACK)

# The values of the rule rack_stack_slot:pirack_rasp_state:max, in prometheus/rules/state.yml.
RASP = (DOWN, UP, WARM, HOT, OFF)
STACK = (Shown(0, "off", "#59616f"), Shown(1, "on", "#2f5d8c"))

UNKNOWN_COLOUR = "#2b2f36"
NOTHING_COLOUR = "#454b56"

# Of curves, which have no text on them and are seen on light and on dark ground.
BLUE, TEAL, ORANGE, GREY = "#5794f2", "#2fa58b", "#e8762d", "#8b94a3"
# Of the slots of a stack, after Okabe and Ito; more slots than these have Grafana's colours.
SLOTS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#f0e442", "#8b94a3")

# Where the state rule says warm, and hot.
WARM_CELSIUS, HOT_CELSIUS = 60, 75


def mapping(*shown: Shown) -> list[Json]:
    """Return the value mapping that puts words and colours in the place of values."""
    options = {
        str(each.value): {"text": each.word, "color": each.colour, "index": index}
        for index, each in enumerate(shown)
    }
    return [{"type": "value", "options": options}]


def inks(*shown: Shown) -> list[Json]:
    """Return the value mapping that gives values the colour of text on their own colour."""
    return mapping(*(Shown(each.value, each.word, each.ink) for each in shown))


def severities() -> list[Json]:
    """Return the value mapping that gives the severities of alerts their colours."""
    colours = {"critical": DOWN.colour, "warning": HOT.colour, "info": STACK[1].colour}
    options = {
        word: {"text": word, "color": colour, "index": index}
        for index, (word, colour) in enumerate(colours.items())
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


def fullness_steps() -> Json:
    """Return the thresholds of what must not get full, as a part of 1."""
    return steps((0.9, WARM.colour), (0.95, HOT.colour))


def temperature_steps(*, base: str = UP.colour) -> Json:
    """Return the thresholds of temperatures: those of the state rule."""
    return steps((WARM_CELSIUS, WARM.colour), (HOT_CELSIUS, HOT.colour), base=base)
