"""Panels about current issues, which *Rack* and *Rack (classic)* share."""

from grafana import links
from grafana.alert_table import alert_table
from grafana.fields import FieldConfig, override
from grafana.grid import PanelSection
from grafana.json_format import Json
from grafana.panels import TableColumns, table
from grafana.queries import RASPS_IN_RACK, table_query

_HEIGHT = 9


def issues_section() -> PanelSection:
    """Return the section of panels about current issues."""
    return PanelSection("Issues", [(_HEIGHT, [(alert_table(), 13), (failing_aliases(), 11)])])


def failing_aliases() -> Json:
    """Return the table of failing aliases."""
    return table(
        "Failing aliases",
        "Aliases that failed in the last scrape of a rasp. Their metrics are missing.",
        FieldConfig("string", no_value="No failing aliases"),
        [table_query(f"pirack_alias_success{{{RASPS_IN_RACK}}} == 0")],
        columns=TableColumns(
            {"alias": "Alias", "stack": "Stack", "rasp": "Rasp"}, sort_by=["Stack", "Rasp", "Alias"]
        ),
        overrides=[
            override("Stack", custom__width=64, links=links.stack_links("${__value.raw}")),
            override(
                "Rasp",
                custom__width=72,
                links=links.rasp_links("${__data.fields.Stack}", "${__value.raw}"),
            ),
        ],
    )
