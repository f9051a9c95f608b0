"""Panels about current issues, which *Rack* and *Rack (classic)* share."""

from grafana import links, states
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
    alerts_with_severity,
    table_query,
)

TOP_RASPS = 10
BARS_HEIGHT = bar_gauge_height(TOP_RASPS)
TEMPERATURE = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}})"
_EMPTY = "–"  # noqa: RUF001 - a dash


def issues_section() -> PanelSection:
    """Return the section of panels about current issues."""
    return PanelSection(
        "Issues",
        [(BARS_HEIGHT, [(alerts_table(), 10), (failing_aliases(), 7), (hottest_ten(), 7)])],
    )


def alerts_table() -> Json:
    """Return the table of firing alerts."""
    # The value is the order of the severities, and some alerts have no stack.
    by_severity = " or ".join(
        f"{severity.value} * {alerts_with_severity(severity.text)}"
        for severity in states.SEVERITIES
    )
    stack = "link_stack"
    return table(
        "Firing alerts",
        "Alerts that fire now, the most severe first. Click an alert to open its runbook or the"
        " page of alerts.",
        FieldConfig("string", no_value="No firing alerts"),
        [table_query(f'label_replace({by_severity}, "{stack}", "$1", "stack", "(.+)")')],
        columns=TableColumns(
            {"Value": "Severity", "alertname": "Alert", "stack": "Stack", "rasp": "Rasp"},
            hidden=[stack],
            sort_by=["Severity", "Stack", "Rasp"],
        ),
        overrides=[
            override(
                "Severity",
                unit="none",
                custom__width=80,
                custom__cellOptions={"type": "color-background", "mode": "basic"},
                mappings=states.value_mappings(*states.SEVERITIES),
            ),
            override(
                "Alert",
                mappings=states.alert_name_mappings(),
                links=[
                    links.page_link("/runbooks/${__value.raw}", "Runbook"),
                    links.page_link("/alerts", "Page of alerts"),
                ],
            ),
            *_link_overrides(stack, noValue=_EMPTY),
        ],
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
        overrides=_link_overrides("Stack"),
    )


def _link_overrides(field_of_stack: str, **options: object) -> list[Json]:
    """Return the links of the columns of stacks and rasps."""
    return [
        override("Stack", custom__width=64, links=links.stack_links("${__value.raw}"), **options),
        override(
            "Rasp",
            custom__width=72,
            links=links.rasp_links(f"${{__data.fields.{field_of_stack}}}", "${__value.raw}"),
            **options,
        ),
    ]


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
