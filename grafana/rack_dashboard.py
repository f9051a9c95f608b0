"""*Rack*: is all well, and if not, where?"""

from grafana import annotations, canvas, geometry, links
from grafana.envelope import Place, dashboard, variables
from grafana.grid import COLUMNS, in_rows
from grafana.rack_panels import alerts, failing, hottest_ten, numbers, over_time, what_needs_care
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
            what_needs_care(),
            over_time(),
        )
    else:
        panels = _beside(room, max(5, -(-height // 3)))
    return dashboard(
        links.RACK,
        "Rack",
        "Is all well in the rack, and if not, where?",
        panels=panels,
        variables=variables(place, "rack"),
        annotations=annotations.of_rack(),
    )


def _beside(room: Json, third: int) -> list[Json]:
    """Lay out a drawing of few columns: one half of the width, and three panels beside it."""
    half = COLUMNS // 2
    placed = in_rows((4, numbers()), (3 * third, [(room, half)]), over_time())
    for index, each in enumerate([alerts(), failing(), hottest_ten()]):
        where: Json = {"x": half, "y": 4 + index * third, "w": half, "h": third}
        placed.append({"id": len(placed) + 1, "gridPos": where, **each})
    return placed
