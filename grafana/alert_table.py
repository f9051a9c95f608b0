"""Table of firing alerts, with links to runbooks, stacks and rasps.

Some alerts have no rasp or no stack. Grafana cannot leave out the link of a cell, so the query
computes where the links of each row lead: to the rasp, to the stack or to the rack.
"""

from grafana import links, states
from grafana.fields import FieldConfig, override
from grafana.json_format import Json
from grafana.panels import TableColumns, table
from grafana.queries import alerts_with_severity, table_query

_NAME_MIN_WIDTH = 200  # pixels, for the longest name of an alert
_EMPTY = "–"  # noqa: RUF001 - a dash

_RACK_DASHBOARD = ("", "", f"{links.RACK_UID}?")
_STACK_DASHBOARD = ("stack", "(.+)", f"{links.STACK_UID}?var-stack=$1&")
_RASP_DASHBOARD = ("rasp", "((.+)-.+)", f"{links.RASP_UID}?var-stack=$2&var-rasp=$1&")
_STACK_PAGE, _RASP_PAGE = ("stack", "(.+)", "stacks/$1"), ("rasp", "(.+)", "rasps/$1")

# Labels that the query adds. The last source label that an alert has determines the value.
_LINK_LABELS = {
    "stack_dashboard": (_RACK_DASHBOARD, _STACK_DASHBOARD),
    "stack_page": (_STACK_PAGE,),
    "rasp_dashboard": (_RACK_DASHBOARD, _STACK_DASHBOARD, _RASP_DASHBOARD),
    "rasp_page": (_STACK_PAGE, _RASP_PAGE),
}


def alert_table() -> Json:
    """Return the table of firing alerts."""
    return table(
        "Firing alerts",
        "Alerts that fire now, the most severe first. Click an alert to open its runbook or the"
        " page of alerts.",
        FieldConfig("string", no_value="No firing alerts"),
        [table_query(_query())],
        columns=TableColumns(
            {"Value": "Severity", "alertname": "Alert", "stack": "Stack", "rasp": "Rasp"},
            hidden=list(_LINK_LABELS),
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
                custom__minWidth=_NAME_MIN_WIDTH,
                mappings=states.alert_name_mappings(),
                links=[
                    links.page_link("/runbooks/${__value.raw}", "Runbook"),
                    links.page_link("/alerts", "Page of alerts"),
                ],
            ),
            override("Stack", custom__width=64, noValue=_EMPTY, links=_links("stack")),
            override("Rasp", custom__width=72, noValue=_EMPTY, links=_links("rasp")),
        ],
    )


def _query() -> str:
    # The value is the order of the severities.
    query = " or ".join(
        f"{severity.value} * {alerts_with_severity(severity.text)}"
        for severity in states.SEVERITIES
    )
    for label, replacements in _LINK_LABELS.items():
        for source, pattern, value in replacements:
            query = f'label_replace({query}, "{label}", "{value}", "{source}", "{pattern}")'
    return query


def _links(label: str) -> list[Json]:
    return [
        links.data_link(
            "Dashboard",
            f"/d/${{__data.fields.{label}_dashboard}}var-rack=${{rack}}&{links.TIME_RANGE}",
        ),
        links.page_link(f"/${{__data.fields.{label}_page}}", "Page"),
    ]
