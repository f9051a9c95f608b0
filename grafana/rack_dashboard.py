"""*Rack*: is all well, and if not, where?"""

from grafana import annotations, canvas, geometry, links
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.rack_panels import (
    alerts_table,
    failing_aliases,
    history_row,
    hottest_ten,
    issues_row,
    summary_panels,
)
from rack.layout import Rack

_FULL_WIDTH_COLUMNS = 8  # columns of stacks, from which on the drawing takes the whole width


def rack_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Rack*, with the rack as it stands in the room."""
    drawing = geometry.draw(rack)
    room, height = canvas.panel(rack, drawing), canvas.panel_height(drawing)
    if drawing.columns >= _FULL_WIDTH_COLUMNS:
        panels = layout_rows(
            (4, summary_panels()),
            (height, [(room, COLUMNS)]),
            issues_row(),
            history_row(),
        )
    else:
        panels = _lay_out_side_by_side(room, max(5, -(-height // 3)))
    return make_dashboard(
        links.RACK_UID,
        "Rack",
        "Is all well in the rack, and if not, where?",
        panels=panels,
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(),
    )


def _lay_out_side_by_side(canvas_panel: Json, side_panel_height: int) -> list[Json]:
    """Lay out a drawing of few columns: one half of the width, and three panels beside it."""
    half = COLUMNS // 2
    placed = layout_rows(
        (4, summary_panels()), (3 * side_panel_height, [(canvas_panel, half)]), history_row()
    )
    for index, each in enumerate([alerts_table(), failing_aliases(), hottest_ten()]):
        where: Json = {
            "x": half,
            "y": 4 + index * side_panel_height,
            "w": half,
            "h": side_panel_height,
        }
        placed.append({"id": len(placed) + 1, "gridPos": where, **each})
    return placed
