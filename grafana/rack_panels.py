"""The panels that *Rack* has in both its shapes: numbers, what needs care, and what happened."""

from grafana import links, states
from grafana.fields import Field, override, painted
from grafana.panels import Curves, bars, course, stat, table
from grafana.queries import ALERTS, IN_RACK, PLACE, STATE, Query, rows
from grafana.queries import course as through_time
from grafana.readable import Json

_TEMPERATURE = f"max by ({PLACE}) (pirack_cpu_temperature_celsius{{{IN_RACK}}})"
_BUSY = f"sum by ({PLACE}) (rate(pirack_cpu_busy_seconds_total{{{IN_RACK}}}[$__rate_interval]))"


def numbers() -> list[tuple[Json, int]]:
    """Return the panels of the uppermost row, with their widths."""
    return [(_by_state(), 10), (_hottest(), 4), (_weak(), 4), (_firing(), 3), (_failing_count(), 3)]


def _by_state() -> Json:
    shown = (states.UP, states.WARM, states.HOT, states.DOWN, states.OFF)
    return stat(
        "Rasps by state",
        "How many rasps are in each state. The colours are those of the rack below.",
        Field("none", decimals=0),
        [
            Query(f"sum({STATE}{{{IN_RACK}}} == bool {each.value})", each.word.capitalize())
            for each in shown
        ],
        overrides=[
            override(
                each.word.capitalize(),
                thresholds=states.steps((1, each.colour), base=states.NOTHING_COLOUR),
            )
            for each in shown
        ],
        text="value_and_name",
    )


def _hottest() -> Json:
    return stat(
        "Hottest",
        "The rasp with the highest temperature of its system on chip.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(),
            links=links.of_labelled_rasps(),
        ),
        [Query(f"topk(1, {_TEMPERATURE})", "{{rasp}}")],
        text="value_and_name",
    )


def _needing_care(title: str, description: str, expression: str, colour: str) -> Json:
    return stat(
        title,
        description,
        Field("none", decimals=0, thresholds=states.steps((1, colour))),
        [Query(expression, title)],
    )


def _weak() -> Json:
    conditions = f'max by ({PLACE}) (pirack_power_condition{{{IN_RACK},since="now"}})'
    return _needing_care(
        "Throttled or under-voltage",
        "Rasps whose firmware says now that it slows them down, or that their supply is too weak.",
        f"sum({conditions})",
        states.HOT.colour,
    )


def _firing() -> Json:
    return _needing_care(
        "Firing alerts",
        "Alerts that fire now, of whatever severity.",
        f"count({ALERTS}) or vector(0)",
        states.DOWN.colour,
    )


def _failing_count() -> Json:
    return _needing_care(
        "Failing aliases",
        "Aliases that failed in the newest scrape, over all rasps that answered it.",
        f"sum(pirack_alias_success{{{IN_RACK}}} == bool 0)",
        states.WARM.colour,
    )


def alerts() -> Json:
    """Return the table of the alerts that fire."""
    return table(
        "Firing alerts",
        "Each alert that fires now, and what it is about. A click on one opens the page of alerts,"
        " which tells what to do.",
        Field("none", nothing="No alert fires."),
        [rows(ALERTS)],
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
                mappings=states.severities(),
            ),
            override("Alert", links=[links.page("/alerts", "Page of alerts")]),
            *_places(),
        ],
    )


def failing() -> Json:
    """Return the table of the aliases that fail."""
    return table(
        "Failing aliases",
        "Each alias that failed in the newest scrape of a rasp: its reading is missing since.",
        Field("none", nothing="No alias fails."),
        [rows(f"pirack_alias_success{{{IN_RACK}}} == 0")],
        columns={"alias": "Alias", "stack": "Stack", "rasp": "Rasp"},
        overrides=_places(),
    )


def _places() -> list[Json]:
    """Return what the columns of stacks and rasps lead to."""
    return [
        override(
            "Stack",
            custom__width=100,
            links=[links.page("/stacks/${__value.raw}", "Page of stack ${__value.raw}")],
        ),
        override(
            "Rasp",
            custom__width=110,
            links=links.of_rasps("${__data.fields.Stack}", "${__value.raw}"),
        ),
    ]


def what_needs_care() -> tuple[int, list[tuple[Json, int]]]:
    """Return the row of panels that tell what needs somebody."""
    return 8, [(alerts(), 8), (failing(), 8), (hottest_ten(), 8)]


def over_time() -> tuple[int, list[tuple[Json, int]]]:
    """Return the row of panels that tell what happened."""
    return 8, [(_states_over_time(), 8), (_temperatures(), 8), (_busiest_ten(), 8)]


def _states_over_time() -> Json:
    shown = (states.UP, states.WARM, states.HOT, states.OFF, states.DOWN)
    return course(
        "Rasps by state over time",
        "How many rasps were in each state, with power cuts, boots, installs and orders.",
        Field("none", decimals=0, least=0),
        [
            through_time(f"sum({STATE}{{{IN_RACK}}} == bool {each.value})", each.word.capitalize())
            for each in shown
        ],
        overrides=[painted(each.word.capitalize(), each.colour) for each in shown],
        curves=Curves(stacked=True),
    )


def _temperatures() -> Json:
    curves = {"Hottest": "max", "Half of them are below": "quantile", "Coolest": "min"}
    colours = (states.ORANGE, states.TEAL, states.BLUE)
    return course(
        "Temperature of the rack",
        "The hottest, the median and the coolest rasp. Lines mark where WARM and HOT begin.",
        Field("celsius", decimals=0, thresholds=states.temperature_steps()),
        [
            through_time(
                f"{function}({'0.5, ' if function == 'quantile' else ''}{_TEMPERATURE})", legend
            )
            for legend, function in curves.items()
        ],
        overrides=[painted(legend, colour) for legend, colour in zip(curves, colours, strict=True)],
        curves=Curves(limits=True),
    )


def hottest_ten() -> Json:
    """Return the hottest rasps, a bar each."""
    return bars(
        "The ten hottest",
        "The rasps with the highest temperatures now.",
        Field(
            "celsius",
            decimals=0,
            thresholds=states.temperature_steps(base=states.TEAL),
            links=links.of_labelled_rasps(),
            least=20,
            most=90,
        ),
        [Query(f"sort_desc(topk(10, {_TEMPERATURE}))", "{{rasp}}")],
    )


def _busiest_ten() -> Json:
    return bars(
        "The ten busiest",
        "The rasps with the most busy cores now: 1 is one core at full load.",
        Field(
            "none",
            decimals=2,
            thresholds=states.steps(base=states.BLUE),
            links=links.of_labelled_rasps(),
            least=0,
            most=4,
        ),
        [Query(f"sort_desc(topk(10, {_BUSY}))", "{{rasp}}")],
    )
