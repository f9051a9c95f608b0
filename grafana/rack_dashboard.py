"""*Rack*: is all well, and if not, where?"""

from grafana import annotations, canvas, geometry, links
from grafana.envelope import Place, dashboard, variables
from grafana.grid import COLUMNS, in_rows
from grafana.rack_panels import (
    alerts,
    below,
    busiest_ten,
    failing,
    hottest_ten,
    numbers,
    states_over_time,
    temperatures,
)
from grafana.readable import Json
from rack.layout import Rack

_WIDE = 8  # columns of stacks, from which on the drawing takes the whole width


def rack_dashboard(rack: Rack, place: Place) -> Json:
    """Return *Rack*, with the rack as it stands in the room."""
    drawing = geometry.draw(rack)
    room, height = canvas.panel(rack, drawing), canvas.height(drawing)
    if drawing.columns >= _WIDE:
        panels = in_rows(
            (4, numbers()),
            (height, [(room, COLUMNS)]),
            *below(),
        )
    else:
        panels = _beside(max(7, -(-height // 2)), room, [alerts(), failing()])
    return dashboard(
        links.RACK,
        "Rack",
        "Is all well in the rack, and if not, where?",
        panels=panels,
        variables=variables(place, "rack"),
        annotations=annotations.of_rack(),
    )


def _beside(half: int, room: Json, tables: list[Json]) -> list[Json]:
    """Lay out a drawing of few columns: it takes one half of the width, tables the other."""
    wide = COLUMNS // 2
    placed = in_rows(
        (4, numbers()),
        (2 * half, [(room, wide)]),
        (8, [(states_over_time(), wide), (temperatures(), wide)]),
        (9, [(hottest_ten(), wide), (busiest_ten(), wide)]),
    )
    for index, each in enumerate(tables):
        where: Json = {"x": wide, "y": 4 + index * half, "w": wide, "h": half}
        placed.append({"id": len(placed) + 1, "gridPos": where, **each})
    return placed
