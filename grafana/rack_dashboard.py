"""Dashboard *Rack*, with the rack as a canvas."""

from grafana import annotations, canvas, geometry, links
from grafana.alert_table import alert_table
from grafana.dashboard import DashboardDefaults, make_dashboard, variables
from grafana.grid import COLUMNS, Column, Row, layout_sections
from grafana.json_format import Json
from grafana.rack_history import history_sections
from grafana.rack_issues import failing_aliases, issues_section
from grafana.rack_summary import summary_row
from rack.layout import Rack

_FULL_WIDTH_COLUMNS = 8  # minimum columns of stacks for a canvas with full width
_TABLE_MIN_HEIGHT = 7


def rack_dashboard(rack: Rack, defaults: DashboardDefaults) -> Json:
    """Return *Rack*."""
    drawing = geometry.draw(rack)
    canvas_panel, height = canvas.panel(rack, drawing), canvas.panel_height(drawing)
    if drawing.columns >= _FULL_WIDTH_COLUMNS:
        panels = layout_sections(
            [summary_row(rack), (height, [(canvas_panel, COLUMNS)])],
            issues_section(),
            *history_sections(rack),
        )
    else:
        panels = layout_sections(
            [summary_row(rack), _canvas_beside_issues(canvas_panel, height)],
            *history_sections(rack),
        )
    return make_dashboard(
        links.RACK_UID,
        "Rack",
        "Does the rack have issues, and where?",
        panels=panels,
        variables=variables(defaults, "rack"),
        annotations=annotations.for_rack(rack),
        top_links=[links.phone_link(), *links.dashboard_links("/", "Page of the rack")],
    )


def _canvas_beside_issues(canvas_panel: Json, canvas_height: int) -> Row:
    """Return a canvas in the left half and two tables in the right half."""
    table = max(-(-canvas_height // 2), _TABLE_MIN_HEIGHT)
    column = Column([(alert_table(), table), (failing_aliases(), table)])
    half = COLUMNS // 2
    return 2 * table, [(canvas_panel, half), (column, half)]
