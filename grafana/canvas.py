"""The rack in two dimensions, as a canvas: each rasp where it stands, with its state.

What a rectangle shows of a series it finds by the series' name, which is the legend of its query.
Where there is no such series it falls back to what is `fixed`: so an unknown state is said to be
unknown. A rectangle has one text: a rasp's cell is three of them, one on another.
"""

from collections.abc import Iterator

from grafana import geometry, states
from grafana.fields import Field, override_query
from grafana.geometry import Box, StackBoxes
from grafana.links import page
from grafana.queries import DATASOURCE, IN_RACK, PLACE, STATE, Query, targets
from grafana.readable import Json
from rack.layout import Rack, Slot

_CLEAR = "transparent"
_RASP_PIXELS = 66  # the height of a rasp's cell
_UNIT_PIXELS, _AROUND_PIXELS = (
    38,
    64,
)  # of Grafana's grid, and what a panel takes around its drawing
_INSET = 0.06  # of a header's width, left and right of its texts
_LETTERS, _SMALL_LETTERS = 12, 9
_NARROW = 16  # columns, from which on the letters are smaller

_STATES = f"max by ({PLACE}) ({STATE}{{{IN_RACK}}})"
QUERIES = [
    Query(_STATES, "{{rasp}}"),
    Query(f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{IN_RACK}}})", "t {{rasp}}"),
    Query(f"max by (rack, stack) (pirack_stack_power_state{{{IN_RACK}}})", "power {{stack}}"),
    # The states once more, for the colour of the text on their colours.
    Query(_STATES, "ink {{rasp}}"),
]


def height(drawing: geometry.Drawing) -> int:
    """Return the height of a drawing's panel, in units of Grafana's grid."""
    return -int(-(drawing.height * _RASP_PIXELS + _AROUND_PIXELS) // _UNIT_PIXELS)


def panel(rack: Rack, drawing: geometry.Drawing) -> Json:
    """Return the panel that shows a rack as it stands in the room."""
    letters = _LETTERS if drawing.columns <= _NARROW else _SMALL_LETTERS
    return {
        "type": "canvas",
        "title": f"{rack.name} as it stands in the room",
        "description": "Each rasp with its state and temperature, each stack with its power as it"
        " was commanded. A click on a rasp or on a stack's name opens its page. WARM is from"
        f" {states.WARM_CELSIUS} °C, HOT from {states.HOT_CELSIUS} °C; OFF is off on purpose.",
        "datasource": DATASOURCE,
        "targets": targets(QUERIES),
        "fieldConfig": {
            "defaults": Field("none", mappings=states.mapping(*states.RASP)).defaults(),
            "overrides": [
                override_query("B", unit="celsius", decimals=0, mappings=[]),
                override_query("C", mappings=states.mapping(*states.STACK)),
                override_query("D", mappings=states.inks(*states.RASP)),
            ],
        },
        "options": {
            "inlineEditing": False,
            "showAdvancedTypes": False,
            "panZoom": False,
            "root": {
                "type": "frame",
                "name": "rack",
                "constraint": {"horizontal": "left", "vertical": "top"},
                "placement": {"top": 0, "left": 0, "width": 100, "height": 100},
                "background": {"color": {"fixed": _CLEAR}},
                "border": {"color": {"fixed": _CLEAR}, "width": 0},
                "elements": [
                    element for boxes in drawing.stacks for element in _stack(boxes, letters)
                ],
            },
        },
    }


def _stack(boxes: StackBoxes, letters: int) -> Iterator[Json]:
    name, header = boxes.stack.name, boxes.header
    line: Json = {"color": {"fixed": "#8080804d"}, "width": 1, "radius": 6}
    yield _rectangle(f"frame-{name}", boxes.frame, border=line)
    power = f"power {name}"
    yield _rectangle(f"header-{name}", header, colour=_of(power, states.UNKNOWN_COLOUR))
    inset = header.narrowed(_INSET)
    yield _rectangle(
        f"power-{name}", inset, text=_text(_words_of(power, "?"), letters, align="right")
    )
    yield _rectangle(f"name-{name}", inset, text=_text(_words(name), letters + 2, align="left"))
    yield _clickable(
        _rectangle(f"stack-{name}", header),
        f"/stacks/{boxes.stack.number}",
        f"Page of stack {name}",
    )
    for slot, box in boxes.cells:
        yield from _rasp(slot, box, letters)


def _rasp(slot: Slot, box: Box, letters: int) -> Iterator[Json]:
    """Draw a rasp: temperature on the state's colour, the state's word, and its name, clickable."""
    ink = _of(f"ink {slot.name}", states.WHITE)
    celsius = _words_of(f"t {slot.name}", "–")  # noqa: RUF001 - a dash
    yield _rectangle(
        f"cell-{slot.name}",
        box,
        colour=_of(slot.name, states.UNKNOWN_COLOUR),
        text=_text(celsius, letters + 5, ink),
    )
    state = _words_of(slot.name, "UNKNOWN")
    yield _rectangle(f"state-{slot.name}", box, text=_text(state, letters, ink, valign="bottom"))
    yield _clickable(
        _rectangle(
            f"rasp-{slot.name}", box, text=_text(_words(slot.name), letters, ink, valign="top")
        ),
        f"/rasps/{slot.id}",
        f"Page of {slot.name}",
    )


def _clickable(element: Json, path: str, title: str) -> Json:
    # Grafana 11.2 to 11.5 go by the element's mode, later ones by the link's own.
    click = page(path, title) | {"oneClick": True}
    return element | {"oneClickMode": "link", "links": [click]}


def _of(series: str, fixed: str) -> Json:
    """Return the colour of a series' value, or a fixed one where there is no such series."""
    return {"field": series, "fixed": fixed}


def _words_of(series: str, fixed: str) -> Json:
    """Return what a series says, or fixed words where there is no such series."""
    return {"mode": "field", "field": series, "fixed": fixed}


def _words(fixed: str) -> Json:
    return {"mode": "fixed", "fixed": fixed}


def _text(
    words: Json,
    letters: int,
    ink: Json | None = None,
    *,
    align: str = "center",
    valign: str = "middle",
) -> Json:
    return {
        "align": align,
        "valign": valign,
        "size": letters,
        "color": ink or {"fixed": states.WHITE},
        "text": words,
    }


def _rectangle(
    name: str,
    box: Box,
    *,
    colour: Json | None = None,
    border: Json | None = None,
    text: Json | None = None,
) -> Json:
    # With the constraint `scale` the sides' distances from the panel's are in percent.
    return {
        "type": "rectangle",
        "name": name,
        "constraint": {"horizontal": "scale", "vertical": "scale"},
        "placement": {
            "left": box.left,
            "right": round(100 - box.left - box.width, 3),
            "top": box.top,
            "bottom": round(100 - box.top - box.height, 3),
        },
        "background": {"color": colour or {"fixed": _CLEAR}},
        "border": border or {"color": {"fixed": _CLEAR}, "width": 0, "radius": 4},
        "config": text or _text(_words(""), _LETTERS),
    }
