"""Panels about current issues, which *Rack* and *Rack (classic)* share."""

from grafana import links, states
from grafana.alert_table import alert_table
from grafana.fields import FieldConfig, override
from grafana.grid import PanelSection
from grafana.json_format import Json
from grafana.panels import (
    TableColumns,
    bar_gauge,
    bar_gauge_height,
    table,
)
from grafana.queries import (
    RASP_LABELS,
    RASPS_IN_RACK,
    Query,
    table_query,
)

TOP_RASPS = 10
BARS_HEIGHT = bar_gauge_height(TOP_RASPS)
TEMPERATURE = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}})"


def issues_section() -> PanelSection:
    """Return the section of panels about current issues."""
    return PanelSection(
        "Issues",
        [(BARS_HEIGHT, [(alert_table(), 10), (failing_aliases(), 7), (hottest_ten(), 7)])],
    )


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


def hottest_ten() -> Json:
    """Return the bar gauge of the hottest rasps."""
    return bar_gauge(
        "Ten hottest rasps",
        "Rasps with the highest temperatures now.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(base_color=states.TEAL),
            links=links.rasp_links_from_labels(),
            min=20,
            max=90,
        ),
        [Query(f"sort_desc(topk({TOP_RASPS}, {TEMPERATURE}))", "{{rasp}}")],
    )
