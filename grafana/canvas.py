"""Canvas panel with each rasp at its position in the rack.

A rectangle refers to a series by the name of the series, which is the legend of the query. If the
series does not exist, Grafana displays the `fixed` value. Thus a missing state is displayed as
unknown. A rectangle has only one text and one link that opens on a click, so the cell of a rasp
consists of several rectangles on top of each other.
"""

from collections.abc import Iterator

from grafana import geometry, states
from grafana.fields import FieldConfig, override_query
from grafana.geometry import Box, StackBoxes
from grafana.json_format import Json
from grafana.links import page_link, rasp_link, stack_link
from grafana.queries import (
    CONTROLLER,
    DATASOURCE,
    IN_RACK,
    RASP_LABELS,
    RASPS_IN_RACK,
    STATE,
    Query,
    targets,
)
from rack.layout import Rack, Slot

_TRANSPARENT = "transparent"
_RASP_PIXELS = 66  # height of a rasp's cell
_GRID_UNIT_PIXELS = 38  # height of a unit of Grafana's grid
_PANEL_FRAME_PIXELS = 64  # title and padding of a panel
_HEADER_INSET_RATIO = 0.06  # padding left and right of the texts, relative to the width
_FONT_SIZE, _SMALL_FONT_SIZE = 12, 9
_LARGE_FONT_MAX_COLUMNS = 16
_ARROW = "↗"
_ARROW_WIDTH, _ARROW_HEIGHT = 0.24, 0.36  # relative to the header or the cell
_STACK_ARROW_LEFT = 0.38  # between the name and the power of a stack

_TEMPERATURE = f"pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}}"
_STATES = f"max by ({RASP_LABELS}) ({STATE}{{{IN_RACK}}})"
QUERIES = [
    Query(_STATES, "{{rasp}}"),
    Query(f"max by ({RASP_LABELS}) ({_TEMPERATURE})", "t {{rasp}}"),
    Query(f"max by (rack, stack) (pirack_stack_power_state{{{CONTROLLER}}})", "power {{stack}}"),
    # The states a second time, to map them to text colors.
    Query(_STATES, "text {{rasp}}"),
]


def panel_height(drawing: geometry.Drawing) -> int:
    """Return the height of the panel in units of Grafana's grid."""
    return -int(-(drawing.height * _RASP_PIXELS + _PANEL_FRAME_PIXELS) // _GRID_UNIT_PIXELS)


def panel(rack: Rack, drawing: geometry.Drawing) -> Json:
    """Return the canvas panel of a rack."""
    font_size = _FONT_SIZE if drawing.columns <= _LARGE_FONT_MAX_COLUMNS else _SMALL_FONT_SIZE
    return {
        "type": "canvas",
        "title": f"Layout of {rack.name}",
        "description": "Rasps with state and temperature, and stacks with their commanded power."
        " Click a rasp or the name of a stack to open its dashboard, or its arrow to open its page."
        f" WARM is from {states.WARM_CELSIUS} °C, HOT from {states.HOT_CELSIUS} °C."
        " OFF means switched off by an order.",
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
            # A link has a tooltip of the browser, which that of Grafana would cover. Versions
            # before 12.2 show both.
            "tooltip": {"mode": "single", "disableForOneClick": True},
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
                    for element in _stack_elements(boxes, font_size)
                ],
            },
        },
    }


def _stack_elements(boxes: StackBoxes, font_size: int) -> Iterator[Json]:
    name, header = boxes.stack.name, boxes.header
    line: Json = {"color": {"fixed": "#8080804d"}, "width": 1, "radius": 6}
    yield _rectangle(f"Frame of stack {name}", boxes.frame, border=line)
    power = f"power {name}"
    yield _rectangle(
        f"Color of stack {name}", header, color=_color_from_series(power, states.UNKNOWN_COLOR)
    )
    inset = header.inset(_HEADER_INSET_RATIO)
    yield _rectangle(
        f"Power of stack {name}",
        inset,
        text=_text_config(_text_from_series(power, "?"), font_size, align="right"),
    )
    yield _rectangle(
        f"Name of stack {name}",
        inset,
        text=_text_config(_fixed_text(name), font_size + 2, align="left"),
    )
    yield _with_link(_rectangle(f"Stack {name}", header), stack_link(name))
    yield _with_link(
        _rectangle(
            f"Page of stack {name}",
            header.part(_STACK_ARROW_LEFT, _ARROW_WIDTH),
            text=_text_config(_fixed_text(_ARROW), font_size),
        ),
        page_link(f"/stacks/{boxes.stack.number}", f"Page of stack {name}"),
    )
    for slot, box in boxes.cells:
        yield from _rasp_elements(slot, box, font_size)


def _rasp_elements(slot: Slot, box: Box, font_size: int) -> Iterator[Json]:
    """Yield the temperature, the state, the clickable name and the arrow of a rasp."""
    text_color = _color_from_series(f"text {slot.name}", states.WHITE)
    celsius = _text_from_series(f"t {slot.name}", "–")  # noqa: RUF001 - a dash
    yield _rectangle(
        f"Temperature of {slot.name}",
        box,
        color=_color_from_series(slot.name, states.UNKNOWN_COLOR),
        text=_text_config(celsius, font_size + 5, text_color),
    )
    state = _text_from_series(slot.name, "UNKNOWN")
    yield _rectangle(
        f"State of {slot.name}",
        box,
        text=_text_config(state, font_size, text_color, valign="bottom"),
    )
    yield _with_link(
        _rectangle(
            f"Rasp {slot.name}",
            box,
            text=_text_config(_fixed_text(slot.name), font_size, text_color, valign="top"),
        ),
        rasp_link(slot.stack_name, slot.name),
    )
    yield _with_link(
        _rectangle(
            f"Page of {slot.name}",
            box.part(1 - _ARROW_WIDTH, _ARROW_WIDTH, _ARROW_HEIGHT),
            text=_text_config(_fixed_text(_ARROW), font_size, text_color),
        ),
        page_link(f"/rasps/{slot.id}", f"Page of {slot.name}"),
    )


def _with_link(element: Json, link: Json) -> Json:
    # Grafana 11.2 to 11.5 use `oneClickMode` of the element. Newer versions use `oneClick` of
    # the link.
    return element | {"oneClickMode": "link", "links": [link | {"oneClick": True}]}


def _color_from_series(series: str, fallback: str) -> Json:
    """Return the color of a series, or `fallback` if the series does not exist."""
    return {"field": series, "fixed": fallback}


def _text_from_series(series: str, fallback: str) -> Json:
    """Return the text of a series, or `fallback` if the series does not exist."""
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
    # With the constraint `scale`, distances from the sides of the panel are in percent.
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
