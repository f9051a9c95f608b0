"""The panels that *Rack* has in both its shapes: numbers, what needs care, and what happened."""

from grafana import links, states
from grafana.fields import FieldConfig, override, override_color
from grafana.json_format import Json
from grafana.panels import LineOptions, bar_gauge, stat, table, time_series
from grafana.queries import ALERTS, IN_RACK, RASP_LABELS, STATE, Query, table_query
from grafana.queries import range_query as through_time

_TEMPERATURE = f"max by ({RASP_LABELS}) (pirack_cpu_temperature_celsius{{{IN_RACK}}})"
_BUSY_CORES = (
    f"sum by ({RASP_LABELS}) (rate(pirack_cpu_busy_seconds_total{{{IN_RACK}}}[$__rate_interval]))"
)


def summary_panels() -> list[tuple[Json, int]]:
    """Return the panels of the uppermost row, with their widths."""
    return [
        (_rasps_by_state(), 10),
        (_hottest(), 4),
        (_throttled_count(), 4),
        (_firing_alert_count(), 3),
        (_failing_alias_count(), 3),
    ]


def _rasps_by_state() -> Json:
    shown = (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF)
    return stat(
        "Rasps by state",
        "How many rasps are in each state. The colours are those of the rack below.",
        FieldConfig("none", decimals=0),
        [
            Query(f"sum({STATE}{{{IN_RACK}}} == bool {each.value})", each.text.capitalize())
            for each in shown
        ],
        overrides=[
            override(
                each.text.capitalize(),
                thresholds=states.thresholds((1, each.color), base_color=states.NEUTRAL_COLOR),
            )
            for each in shown
        ],
        text_mode="value_and_name",
    )


def _hottest() -> Json:
    return stat(
        "Hottest",
        "The rasp with the highest temperature of its system on chip.",
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
    conditions = f'max by ({RASP_LABELS}) (pirack_power_condition{{{IN_RACK},since="now"}})'
    return _issue_count(
        "Throttled or under-voltage",
        "Rasps whose firmware says now that it slows them down, or that their supply is too weak.",
        f"sum({conditions})",
        states.HOT.color,
    )


def _firing_alert_count() -> Json:
    return _issue_count(
        "Firing alerts",
        "Alerts that fire now, of whatever severity.",
        f"count({ALERTS}) or vector(0)",
        states.DOWN.color,
    )


def _failing_alias_count() -> Json:
    return _issue_count(
        "Failing aliases",
        "Aliases that failed in the newest scrape, over all rasps that answered it.",
        f"sum(pirack_alias_success{{{IN_RACK}}} == bool 0)",
        states.WARM.color,
    )


def alerts_table() -> Json:
    """Return the table of the alerts that fire."""
    return table(
        "Firing alerts",
        "Each alert that fires now, and what it is about. A click on one opens the page of alerts,"
        " which tells what to do.",
        FieldConfig("none", no_value="No alert fires."),
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
            override("Alert", links=[links.page_link("/alerts", "Page of alerts")]),
            *_link_overrides(),
        ],
    )


def failing_aliases() -> Json:
    """Return the table of the aliases that fail."""
    return table(
        "Failing aliases",
        "Each alias that failed in the newest scrape of a rasp: its reading is missing since.",
        FieldConfig("none", no_value="No alias fails."),
        [table_query(f"pirack_alias_success{{{IN_RACK}}} == 0")],
        columns={"alias": "Alias", "stack": "Stack", "rasp": "Rasp"},
        overrides=_link_overrides(),
    )


def _link_overrides() -> list[Json]:
    """Return what the columns of stacks and rasps lead to."""
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
    """Return the row of panels that tell what needs somebody."""
    return 8, [(alerts_table(), 8), (failing_aliases(), 8), (hottest_ten(), 8)]


def history_row() -> tuple[int, list[tuple[Json, int]]]:
    """Return the row of panels that tell what happened."""
    return 8, [(_states_over_time(), 8), (_temperatures(), 8), (_busiest_ten(), 8)]


def _states_over_time() -> Json:
    shown = (states.UP, states.WARM, states.HOT, states.OFF, states.DOWN)
    return time_series(
        "Rasps by state over time",
        "How many rasps were in each state, with power cuts, boots, installs and orders.",
        FieldConfig("none", decimals=0, min=0),
        [
            through_time(f"sum({STATE}{{{IN_RACK}}} == bool {each.value})", each.text.capitalize())
            for each in shown
        ],
        overrides=[override_color(each.text.capitalize(), each.color) for each in shown],
        line_options=LineOptions(stacked=True),
    )


def _temperatures() -> Json:
    curves = {"Hottest": "max", "Half of them are below": "quantile", "Coolest": "min"}
    colours = (states.ORANGE, states.TEAL, states.BLUE)
    return time_series(
        "Temperature of the rack",
        "The hottest, the median and the coolest rasp. Lines mark where WARM and HOT begin.",
        FieldConfig("celsius", decimals=0, thresholds=states.temperature_thresholds()),
        [
            through_time(
                f"{function}({'0.5, ' if function == 'quantile' else ''}{_TEMPERATURE})", legend
            )
            for legend, function in curves.items()
        ],
        overrides=[
            override_color(legend, colour) for legend, colour in zip(curves, colours, strict=True)
        ],
        line_options=LineOptions(thresholds=True),
    )


def hottest_ten() -> Json:
    """Return the hottest rasps, a bar each."""
    return bar_gauge(
        "The ten hottest",
        "The rasps with the highest temperatures now.",
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
        "The ten busiest",
        "The rasps with the most busy cores now: 1 is one core at full load.",
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
