"""Results of the queries of a dashboard."""

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from tools.dashboard_pictures.queries import (
    SECONDS,
    STATES_QUERY,
    STEP_SECONDS,
    Dashboard,
    RecordedQuery,
    VariableSelection,
    annotation_queries,
    panel_queries,
    panels_of,
    start_times,
    variables_of,
)

_TIMEOUT_SECONDS = 30.0

Recording = Mapping[str, Any]


class PrometheusApi:
    """The API of a Prometheus server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def states(self, now: float) -> list[tuple[Mapping[str, str], int]]:
        """Return the labels and the state of each rasp."""
        result = self.query(RecordedQuery("states", STATES_QUERY, is_range=False), now)
        states = [(each["metric"], int(each["value"][1])) for each in result]
        return sorted(states, key=lambda each: each[0]["rasp"])

    def query(self, query: RecordedQuery, now: float) -> Sequence[Mapping[str, Any]]:
        """Return the series of a query: at the time `now`, or in the time range that ends then."""
        parameters: dict[str, str | float] = {"query": query.expression}
        if query.is_range:
            parameters |= {"start": now - SECONDS, "end": now, "step": STEP_SECONDS}
        else:
            parameters |= {"time": now}
        path = "query_range" if query.is_range else "query"
        result: Sequence[Mapping[str, Any]] = self._get(path, parameters)["result"]
        return result

    def label_values(self, label: str) -> list[str]:
        """Return the values of a label in all series."""
        values: list[str] = self._get(f"label/{label}/values", {})
        return values

    def _get(self, path: str, parameters: Mapping[str, str | float]) -> Any:
        response = requests.get(
            f"{self._url}/api/v1/{path}", params=parameters, timeout=_TIMEOUT_SECONDS
        )
        response.raise_for_status()
        return response.json()["data"]


def record(
    prometheus: PrometheusApi, dashboard: Dashboard, selection: VariableSelection, now: float
) -> Recording:
    """Return the results of all queries of a dashboard at a time, and what the page needs."""
    variables = variables_of(dashboard, selection)
    end = now // STEP_SECONDS * STEP_SECONDS
    return {
        "variables": variables,
        "from": end - SECONDS,
        "to": end,
        "step": STEP_SECONDS,
        "results": {
            panel["id"]: {
                query.name: prometheus.query(query, end)
                for query in panel_queries(panel, variables)
            }
            for panel in panels_of(dashboard)
        },
        "annotations": {
            query.name: start_times(prometheus.query(query, end))
            for query in annotation_queries(dashboard, variables)
        },
    }
