"""Queries to Prometheus, as panels carry them, and the selectors that they share."""

from dataclasses import dataclass
from enum import StrEnum

from grafana.json_format import Json

STATE = "rack_stack_slot:pirack_rasp_state:max"
RASP_LABELS = "rack, stack, slot, rasp"

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

IN_RACK = 'rack="$rack"'
IN_STACK = 'rack="$rack",stack="$stack"'
OF_RASP = 'rack="$rack",rasp="$rasp"'

# Some alerts are about the master or Prometheus itself, and carry no rack.
ALERTS = 'ALERTS{alertstate="firing",severity=~"critical|warning|info",rack=~"$rack|"}'


class QueryType(StrEnum):
    """What a query's answer is: one value a series, its course, or the rows of a table."""

    INSTANT = "now"
    RANGE = "course"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL. `legend` becomes the name of each series."""

    expression: str
    legend: str = "__auto"
    query_type: QueryType = QueryType.INSTANT


def range_query(expression: str, legend: str) -> Query:
    """Return a query for the course of an expression over the dashboard's time."""
    return Query(expression, legend, QueryType.RANGE)


def table_query(expression: str) -> Query:
    """Return a query for the rows of a table, as it is now."""
    return Query(expression, query_type=QueryType.TABLE)


def targets(queries: list[Query]) -> list[Json]:
    """Return queries as a panel carries them, named `A`, `B` and so on; after `Z` comes `A1`."""
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
