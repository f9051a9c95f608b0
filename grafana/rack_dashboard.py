"""*Rack*: is all well, and if not, where?"""

from grafana import annotations, canvas, geometry, links
from grafana.envelope import Place, dashboard, variables
from grafana.panels import COLUMNS, in_rows
from grafana.rack_panels import alerts, courses, failing, numbers
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
            (7, [(alerts(), 12), (failing(), 12)]),
            *courses(),
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
    placed = in_rows((4, numbers()), (2 * half, [(room, COLUMNS // 2)]), *courses())
    for index, each in enumerate(tables):
        where: Json = {"x": COLUMNS // 2, "y": 4 + index * half, "w": COLUMNS // 2, "h": half}
        placed.append({"id": len(placed) + 1, "gridPos": where, **each})
    return placed
