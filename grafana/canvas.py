"""The rack in two dimensions, as a canvas: each rasp where it stands, with its state.

What a rectangle shows of a series it finds by the series' name, which is the legend of its query.
Where there is no such series it falls back to what is `fixed`: so an unknown state is said to be
unknown. A rectangle has one text: a rasp's cell is three of them, one on another.
"""

from collections.abc import Iterator

from grafana import geometry, states
from grafana.geometry import Box, StackBoxes
from grafana.links import page
from grafana.panels import Field, override_query
from grafana.queries import DATASOURCE, IN_RACK, PLACE, STATE, Query, targets
from grafana.readable import Json
from rack.layout import Rack, Slot

_WHITE = "#ffffff"
_CLEAR = "transparent"
_RASP_PIXELS = 66  # the height of a rasp's cell
_UNIT_PIXELS, _AROUND_PIXELS = (
    38,
    64,
)  # of Grafana's grid, and what a panel takes around its drawing
_NARROW = 16  # columns, from which on the letters are smaller

QUERIES = [
    Query(f"max by ({PLACE}) ({STATE}{{{IN_RACK}}})", "{{rasp}}"),
    Query(f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{IN_RACK}}})", "t {{rasp}}"),
    Query(f"max by (rack, stack) (pirack_stack_power_state{{{IN_RACK}}})", "power {{stack}}"),
]


def height(drawing: geometry.Drawing) -> int:
    """Return the height of a drawing's panel, in units of Grafana's grid."""
    return -int(-(drawing.height * _RASP_PIXELS + _AROUND_PIXELS) // _UNIT_PIXELS)


def panel(rack: Rack, drawing: geometry.Drawing) -> Json:
    """Return the panel that shows a rack as it stands in the room."""
    letters = 12 if drawing.columns <= _NARROW else 9
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
    name = boxes.stack.name
    yield _rectangle(
        f"frame-{name}",
        boxes.frame,
        border={"color": {"fixed": "#8080804d"}, "width": 1, "radius": 6},
    )
    power: Json = {"mode": "field", "field": f"power {name}", "fixed": "?"}
    yield _rectangle(
        f"power-{name}",
        boxes.header,
        colour={"field": f"power {name}", "fixed": states.UNKNOWN_COLOUR},
        text=power,
        align="right",
        valign="middle",
        letters=letters,
    )
    yield _rectangle(
        f"stack-{name}",
        boxes.header,
        text={"mode": "fixed", "fixed": name},
        align="left",
        valign="middle",
        letters=letters + 2,
    ) | _click(f"/stacks/{boxes.stack.number}", f"Page of stack {name}")
    for slot, box in boxes.cells:
        yield from _rasp(slot, box, letters)


def _rasp(slot: Slot, box: Box, letters: int) -> Iterator[Json]:
    """Draw a rasp: temperature on the state's colour, the state's word, and its name, clickable."""
    yield _rectangle(
        f"cell-{slot.name}",
        box,
        colour={"field": slot.name, "fixed": states.UNKNOWN_COLOUR},
        border={"color": {"fixed": "#00000033"}, "width": 1, "radius": 4},
        text={"mode": "field", "field": f"t {slot.name}", "fixed": "–"},  # noqa: RUF001 - a dash
        valign="middle",
        letters=letters + 5,
    )
    yield _rectangle(
        f"state-{slot.name}",
        box,
        text={"mode": "field", "field": slot.name, "fixed": "UNKNOWN"},
        valign="bottom",
        letters=letters,
    )
    yield _rectangle(
        f"rasp-{slot.name}",
        box,
        text={"mode": "fixed", "fixed": slot.name},
        valign="top",
        letters=letters,
    ) | _click(f"/rasps/{slot.id}", f"Page of {slot.name}")


def _click(path: str, title: str) -> Json:
    # Grafana 11.2 to 11.5 go by the element's mode, later ones by the link's own.
    return {"oneClickMode": "link", "links": [page(path, title) | {"oneClick": True}]}


def _rectangle(
    name: str,
    box: Box,
    *,
    colour: Json | None = None,
    border: Json | None = None,
    text: Json | None = None,
    align: str = "center",
    valign: str = "middle",
    letters: int = 12,
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
        "border": border or {"color": {"fixed": _CLEAR}, "width": 0},
        "config": {
            "align": align,
            "valign": valign,
            "size": letters,
            "color": {"fixed": _WHITE},
            "text": text or {"mode": "fixed", "fixed": ""},
        },
    }
