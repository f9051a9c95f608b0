"""Prometheus queries of panels, and shared selectors."""

from dataclasses import dataclass
from enum import StrEnum

from grafana.json_format import Json

STATE = "rack_stack_slot:pirack_rasp_state:max"
REMEMBERED_CONDITION = "rack_stack_slot_condition:pirack_power_condition_read_timestamp_seconds:max"
RASP_LABELS = "rack, stack, slot, rasp"

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

# Selectors of recorded series.
IN_RACK = 'rack="$rack"'
IN_STACK = 'rack="$rack",stack="$stack"'
OF_RASP = 'rack="$rack",rasp="$rasp"'

# Selectors of scraped series. The job prevents a rasp from forging series of the controller.
RASPS_IN_RACK = f'job="rasp",{IN_RACK}'
RASPS_IN_STACK = f'job="rasp",{IN_STACK}'
RASP = f'job="rasp",{OF_RASP}'
CONTROLLER = f'job="controller",{IN_RACK}'
CONTROLLER_STACK = f'job="controller",{IN_STACK}'

# Some alerts about the master and Prometheus have no label `rack`.
_FIRING_IN_RACK = 'alertstate="firing",rack=~"$rack|"'
ALERTS = f'ALERTS{{severity=~"critical|warning|info",{_FIRING_IN_RACK}}}'


def alerts_with_severity(severity: str) -> str:
    """Return the selector of firing alerts of a severity."""
    return f'ALERTS{{severity="{severity}",{_FIRING_IN_RACK}}}'


def present_series(selector: str, labels: str) -> str:
    """Return the maximum by labels of the series that have a value at the end of the time range.

    Without this condition, a stat panel would show the last value of a series that ended.
    """
    return (
        f"max by ({labels}) ({selector}) and on ({labels}) max by ({labels}) ({selector} @ end())"
    )


def hottest_series(selector: str, labels: str) -> str:
    """Return the temperatures of the rasp that is the hottest at the end of the time range."""
    return (
        f"max by ({labels}) ({selector})"
        f" and on ({labels}) topk(1, max by ({labels}) ({selector} @ end()))"
    )


class QueryType(StrEnum):
    """Type of a query, which determines the form of the result."""

    INSTANT = "instant"
    RANGE = "range"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression. `legend` is the pattern for the name of each series."""

    expression: str
    legend: str = "__auto"
    query_type: QueryType = QueryType.INSTANT


def range_query(expression: str, legend: str) -> Query:
    """Return a query over the time range of the dashboard."""
    return Query(expression, legend, QueryType.RANGE)


def table_query(expression: str) -> Query:
    """Return an instant query for the rows of a table."""
    return Query(expression, query_type=QueryType.TABLE)


def targets(queries: list[Query]) -> list[Json]:
    """Return the `targets` of a panel. Their ids are `A` to `Z`, then `A1` and so on."""
    return [
        {
            "refId": _ref_id(index),
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": query.expression,
            "legendFormat": query.legend,
            "format": "table" if query.query_type is QueryType.TABLE else "time_series",
            "instant": query.query_type is not QueryType.RANGE,
            "range": query.query_type is QueryType.RANGE,
        }
        for index, query in enumerate(queries)
    ]


def _ref_id(index: int) -> str:
    letter = chr(ord("A") + index % 26)
    return letter if index < 26 else f"{letter}{index // 26}"  # noqa: PLR2004
