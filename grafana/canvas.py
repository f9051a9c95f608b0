"""The rack in two dimensions, as a canvas: each rasp where it stands, with its state.

What a rectangle shows of a series it finds by the series' name, which is the legend of its query.
Where there is no such series it falls back to what is `fixed`: so an unknown state is said to be
unknown. A rectangle has one text: a rasp's cell is three of them, one on another.
"""

from collections.abc import Iterator

from grafana import geometry, states
from grafana.fields import FieldConfig, override_query
from grafana.geometry import Box, StackBoxes
from grafana.json_format import Json
from grafana.links import page_link
from grafana.queries import DATASOURCE, IN_RACK, RASP_LABELS, STATE, Query, targets
from rack.layout import Rack, Slot

_TRANSPARENT = "transparent"
_RASP_PIXELS = 66  # the height of a rasp's cell
_GRID_UNIT_PIXELS, _PANEL_FRAME_PIXELS = (
    38,
    64,
)  # of Grafana's grid, and what a panel takes around its drawing
_HEADER_INSET_RATIO = 0.06  # of a header's width, left and right of its texts
_FONT_SIZE, _SMALL_FONT_SIZE = 12, 9
_LARGE_FONT_MAX_COLUMNS = 16  # columns, from which on the letters are smaller

_STATES = f"max by ({RASP_LABELS}) ({STATE}{{{IN_RACK}}})"
QUERIES = [
    Query(_STATES, "{{rasp}}"),
    Query(f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{IN_RACK}}})", "t {{rasp}}"),
    Query(f"max by (rack, stack) (pirack_stack_power_state{{{IN_RACK}}})", "power {{stack}}"),
    # The states once more, for the colour of the text on their colours.
    Query(_STATES, "ink {{rasp}}"),
]


def panel_height(drawing: geometry.Drawing) -> int:
    """Return the height of a drawing's panel, in units of Grafana's grid."""
    return -int(-(drawing.height * _RASP_PIXELS + _PANEL_FRAME_PIXELS) // _GRID_UNIT_PIXELS)


def panel(rack: Rack, drawing: geometry.Drawing) -> Json:
    """Return the panel that shows a rack as it stands in the room."""
    letters = _FONT_SIZE if drawing.columns <= _LARGE_FONT_MAX_COLUMNS else _SMALL_FONT_SIZE
    return {
        "type": "canvas",
        "title": f"{rack.name} as it stands in the room",
        "description": "Each rasp with its state and temperature, each stack with its power as it"
        " was commanded. A click on a rasp or on a stack's name opens its page. WARM is from"
        f" {states.WARM_CELSIUS} °C, HOT from {states.HOT_CELSIUS} °C; OFF is off on purpose.",
        "datasource": DATASOURCE,
        "targets": targets(QUERIES),
        "fieldConfig": {
            "defaults": FieldConfig(
                "none", mappings=states.value_mappings(*states.RASP_STATES)
            ).defaults(),
            "overrides": [
                override_query("B", unit="celsius", decimals=0, mappings=[]),
                override_query("C", mappings=states.value_mappings(*states.STACK_STATES)),
                override_query("D", mappings=states.text_color_mappings(*states.RASP_STATES)),
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
                "background": {"color": {"fixed": _TRANSPARENT}},
                "border": {"color": {"fixed": _TRANSPARENT}, "width": 0},
                "elements": [
                    element
                    for boxes in drawing.stacks
                    for element in _stack_elements(boxes, letters)
                ],
            },
        },
    }


def _stack_elements(boxes: StackBoxes, font_size: int) -> Iterator[Json]:
    name, header = boxes.stack.name, boxes.header
    line: Json = {"color": {"fixed": "#8080804d"}, "width": 1, "radius": 6}
    yield _rectangle(f"frame-{name}", boxes.frame, border=line)
    power = f"power {name}"
    yield _rectangle(
        f"header-{name}", header, color=_color_from_series(power, states.UNKNOWN_COLOR)
    )
    inset = header.inset(_HEADER_INSET_RATIO)
    yield _rectangle(
        f"power-{name}",
        inset,
        text=_text_config(_text_from_series(power, "?"), font_size, align="right"),
    )
    yield _rectangle(
        f"name-{name}", inset, text=_text_config(_fixed_text(name), font_size + 2, align="left")
    )
    yield _with_link(
        _rectangle(f"stack-{name}", header),
        f"/stacks/{boxes.stack.number}",
        f"Page of stack {name}",
    )
    for slot, box in boxes.cells:
        yield from _rasp_elements(slot, box, font_size)


def _rasp_elements(slot: Slot, box: Box, font_size: int) -> Iterator[Json]:
    """Draw a rasp: temperature on the state's colour, the state's word, and its name, clickable."""
    ink = _color_from_series(f"ink {slot.name}", states.WHITE)
    celsius = _text_from_series(f"t {slot.name}", "–")  # noqa: RUF001 - a dash
    yield _rectangle(
        f"cell-{slot.name}",
        box,
        color=_color_from_series(slot.name, states.UNKNOWN_COLOR),
        text=_text_config(celsius, font_size + 5, ink),
    )
    state = _text_from_series(slot.name, "UNKNOWN")
    yield _rectangle(
        f"state-{slot.name}", box, text=_text_config(state, font_size, ink, valign="bottom")
    )
    yield _with_link(
        _rectangle(
            f"rasp-{slot.name}",
            box,
            text=_text_config(_fixed_text(slot.name), font_size, ink, valign="top"),
        ),
        f"/rasps/{slot.id}",
        f"Page of {slot.name}",
    )


def _with_link(element: Json, path: str, title: str) -> Json:
    # Grafana 11.2 to 11.5 go by the element's mode, later ones by the link's own.
    click = page_link(path, title) | {"oneClick": True}
    return element | {"oneClickMode": "link", "links": [click]}


def _color_from_series(series: str, fallback: str) -> Json:
    """Return the colour of a series' value, or a fixed one where there is no such series."""
    return {"field": series, "fixed": fallback}


def _text_from_series(series: str, fallback: str) -> Json:
    """Return what a series says, or fixed words where there is no such series."""
    return {"mode": "field", "field": series, "fixed": fallback}


def _fixed_text(text: str) -> Json:
    return {"mode": "fixed", "fixed": text}


def _text_config(
    text: Json,
    font_size: int,
    text_color: Json | None = None,
    *,
    align: str = "center",
    valign: str = "middle",
) -> Json:
    return {
        "align": align,
        "valign": valign,
        "size": font_size,
        "color": text_color or {"fixed": states.WHITE},
        "text": text,
    }


def _rectangle(
    name: str,
    box: Box,
    *,
    color: Json | None = None,
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
        "background": {"color": color or {"fixed": _TRANSPARENT}},
        "border": border or {"color": {"fixed": _TRANSPARENT}, "width": 0, "radius": 4},
        "config": text or _text_config(_fixed_text(""), _FONT_SIZE),
    }
