"""Panels that *Rack* and *Rack (classic)* share."""

from grafana import links, states
from grafana.fields import FieldConfig, override, override_color
from grafana.json_format import Json
from grafana.panels import LineOptions, bar_gauge, stat, table, time_series
from grafana.queries import (
    ALERTS,
    IN_RACK,
    RASP_LABELS,
    RASPS_IN_RACK,
    STATE,
    Query,
    range_query,
    table_query,
)

_TEMPERATURE = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{RASPS_IN_RACK}}})"
_BUSY_SECONDS = f"pirack_cpu_busy_seconds_total{{{RASPS_IN_RACK}}}"
_BUSY_CORES = f"sum by ({RASP_LABELS}) (rate({_BUSY_SECONDS}[$__rate_interval]))"


def summary_panels() -> list[tuple[Json, int]]:
    """Return the panels of the first row, with their widths."""
    return [
        (_rasps_by_state(), 10),
        (_hottest(), 4),
        (_throttled_count(), 4),
        (_firing_alert_count(), 3),
        (_failing_alias_count(), 3),
    ]


def _rasps_by_state() -> Json:
    styles = (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF)
    return stat(
        "Rasps by state",
        "Number of rasps in each state, in the colors of the rack below.",
        FieldConfig("none", decimals=0),
        [
            Query(f"sum({STATE}{{{IN_RACK}}} == bool {style.value})", style.text.capitalize())
            for style in styles
        ],
        overrides=[
            override(
                style.text.capitalize(),
                thresholds=states.thresholds((1, style.color), base_color=states.NEUTRAL_COLOR),
            )
            for style in styles
        ],
        text_mode="value_and_name",
    )


def _hottest() -> Json:
    return stat(
        "Hottest",
        "Rasp with the highest temperature of the system on chip.",
        FieldConfig(
            "celsius",
            decimals=0,
            thresholds=states.temperature_thresholds(),
            links=links.rasp_links_from_labels(),
        ),
        [Query(f"topk(1, {_TEMPERATURE})", "{{rasp}}")],
        text_mode="value_and_name",
    )


def _issue_count(title: str, description: str, expression: str, color: str) -> Json:
    return stat(
        title,
        description,
        FieldConfig("none", decimals=0, thresholds=states.thresholds((1, color))),
        [Query(expression, title)],
    )


def _throttled_count() -> Json:
    conditions = f'max by ({RASP_LABELS}) (pirack_power_condition{{{RASPS_IN_RACK},since="now"}})'
    return _issue_count(
        "Throttled or under-voltage",
        "Rasps whose firmware reports throttling or under-voltage now.",
        f"sum({conditions})",
        states.HOT.color,
    )


def _firing_alert_count() -> Json:
    return _issue_count(
        "Firing alerts",
        "Alerts that fire now, of any severity.",
        f"count({ALERTS}) or vector(0)",
        states.DOWN.color,
    )


def _failing_alias_count() -> Json:
    return _issue_count(
        "Failing aliases",
        "Aliases that failed in the last scrape. Rasps that did not respond are not counted.",
        f"sum(pirack_alias_success{{{RASPS_IN_RACK}}} == bool 0)",
        states.WARM.color,
    )


def alerts_table() -> Json:
    """Return the table of firing alerts."""
    return table(
        "Firing alerts",
        "Alerts that fire now, with stack and rasp. Click an alert to open the page of alerts or"
        " its runbook.",
        FieldConfig("none", no_value="No firing alerts"),
        [table_query(ALERTS)],
        columns={
            "severity": "Severity",
            "alertname": "Alert",
            "stack": "Stack",
            "rasp": "Rasp",
        },
        overrides=[
            override(
                "Severity",
                custom__width=90,
                custom__cellOptions={"type": "color-background", "mode": "basic"},
                mappings=states.severity_mappings(),
            ),
            override(
                "Alert",
                links=[
                    links.page_link("/alerts", "Page of alerts"),
                    links.page_link("/runbooks/${__value.raw}", "Runbook of ${__value.raw}"),
                ],
            ),
            *_link_overrides(),
        ],
    )


def failing_aliases() -> Json:
    """Return the table of failing aliases."""
    return table(
        "Failing aliases",
        "Aliases that failed in the last scrape of a rasp. Their metrics are missing.",
        FieldConfig("none", no_value="No failing aliases"),
        [table_query(f"pirack_alias_success{{{RASPS_IN_RACK}}} == 0")],
        columns={"alias": "Alias", "stack": "Stack", "rasp": "Rasp"},
        overrides=_link_overrides(),
    )


def _link_overrides() -> list[Json]:
    """Return the links of the columns of stacks and rasps."""
    return [
        override(
            "Stack",
            custom__width=100,
            links=[links.page_link("/stacks/${__value.raw}", "Page of stack ${__value.raw}")],
        ),
        override(
            "Rasp",
            custom__width=110,
            links=links.rasp_links("${__data.fields.Stack}", "${__value.raw}"),
        ),
    ]


def issues_row() -> tuple[int, list[tuple[Json, int]]]:
    """Return the row of panels about current issues."""
    return 8, [(alerts_table(), 8), (failing_aliases(), 8), (hottest_ten(), 8)]


def history_row() -> tuple[int, list[tuple[Json, int]]]:
    """Return the row of panels about the history."""
    return 8, [(_states_over_time(), 8), (_temperatures(), 8), (_busiest_ten(), 8)]


def _states_over_time() -> Json:
    styles = (states.UP, states.WARM, states.HOT, states.OFF, states.DOWN)
    return time_series(
        "Rasps by state over time",
        "Number of rasps in each state, with power cuts, boots, installs and orders.",
        FieldConfig("none", decimals=0, min=0),
        [
            range_query(f"sum({STATE}{{{IN_RACK}}} == bool {style.value})", style.text.capitalize())
            for style in styles
        ],
        overrides=[override_color(style.text.capitalize(), style.color) for style in styles],
        line_options=LineOptions(stacked=True),
    )


def _temperatures() -> Json:
    functions = {"Hottest": "max", "Median": "quantile", "Coolest": "min"}
    colors = (states.ORANGE, states.TEAL, states.BLUE)
    return time_series(
        "Temperature of the rack",
        "Hottest, median and coolest rasp. Lines mark the thresholds for WARM and HOT.",
        FieldConfig("celsius", decimals=0, thresholds=states.temperature_thresholds()),
        [
            range_query(
                f"{function}({'0.5, ' if function == 'quantile' else ''}{_TEMPERATURE})", legend
            )
            for legend, function in functions.items()
        ],
        overrides=[
            override_color(legend, color) for legend, color in zip(functions, colors, strict=True)
        ],
        line_options=LineOptions(thresholds=True),
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
        [Query(f"sort_desc(topk(10, {_TEMPERATURE}))", "{{rasp}}")],
    )


def _busiest_ten() -> Json:
    return bar_gauge(
        "Ten busiest rasps",
        "Rasps with the most busy cores now. 1 is one core at full load.",
        FieldConfig(
            "none",
            decimals=2,
            thresholds=states.thresholds(base_color=states.BLUE),
            links=links.rasp_links_from_labels(),
            min=0,
            max=4,
        ),
        [Query(f"sort_desc(topk(10, {_BUSY_CORES}))", "{{rasp}}")],
    )
