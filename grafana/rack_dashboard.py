"""Dashboard *Rack*, with the rack as a canvas."""

from collections.abc import Sequence

from grafana import annotations, canvas, geometry, links, power_panels
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.grid import COLUMNS, layout_rows
from grafana.json_format import Json
from grafana.power_panels import Row
from grafana.rack_panels import (
    alerts_table,
    failing_aliases,
    history_row,
    hottest_ten,
    issues_row,
    summary_panels,
)
from rack.layout import Rack

_FULL_WIDTH_COLUMNS = 8  # minimum columns of stacks for a canvas with full width


def rack_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Rack*."""
    drawing = geometry.draw(rack)
    canvas_panel, height = canvas.panel(rack, drawing), canvas.panel_height(drawing)
    history = [
        history_row(),
        *([power_panels.rack_row()] if power_panels.can_measure(rack) else []),
    ]
    if drawing.columns >= _FULL_WIDTH_COLUMNS:
        panels = layout_rows(
            (4, summary_panels()),
            (height, [(canvas_panel, COLUMNS)]),
            issues_row(),
            *history,
        )
    else:
        panels = _lay_out_side_by_side(canvas_panel, max(5, -(-height // 3)), history)
    return make_dashboard(
        links.RACK_UID,
        "Rack",
        "Does the rack have issues, and where?",
        panels=panels,
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(rack),
    )


def _lay_out_side_by_side(
    canvas_panel: Json, side_panel_height: int, history: Sequence[Row]
) -> list[Json]:
    """Return a canvas in the left half and three panels in the right half."""
    half = COLUMNS // 2
    panels = layout_rows(
        (4, summary_panels()), (3 * side_panel_height, [(canvas_panel, half)]), *history
    )
    for index, panel in enumerate([alerts_table(), failing_aliases(), hottest_ten()]):
        position: Json = {
            "x": half,
            "y": 4 + index * side_panel_height,
            "w": half,
            "h": side_panel_height,
        }
        panels.append({"id": len(panels) + 1, "gridPos": position, **panel})
    return panels
