"""A dashboard as Grafana reads it: its panels, what it asks Prometheus, and where it leads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Dashboard = Mapping[str, Any]

# What Grafana puts in by itself. The rate interval is four scrapes, as for a dashboard of an hour.
BUILT_IN_VARIABLES = {"__rate_interval": "20s", "__interval": "15s"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True)
class DashboardQuery:
    """An expression that a dashboard asks, and where in the dashboard it stands."""

    location: str
    expression: str
    legend: str = ""
    is_range: bool = False


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put in the variables' values; one that is not known is an error."""
    known = {**BUILT_IN_VARIABLES, **values}
    return _VARIABLE.sub(lambda match: known[match[1] or match[2]], text)


def series_name(query: DashboardQuery, labels: Mapping[str, str]) -> str:
    """Return the name that a series has by its legend."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], query.legend)


def panels(dashboard: Dashboard) -> Iterator[Dashboard]:
    yield from dashboard["panels"]


def assert_fills_the_grid(dashboard: Dashboard) -> None:
    """No panel lies on another, and between and beside them no place is left."""
    taken: dict[tuple[int, int], int] = {}
    for panel in panels(dashboard):
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["id"]) == panel["id"]
    lowest = max(y for _, y in taken)
    assert taken.keys() == {(x, y) for x in range(24) for y in range(lowest + 1)}


def panel_queries(dashboard: Dashboard) -> Iterator[DashboardQuery]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            where = f"{dashboard['uid']}: {panel['title']}: {target['refId']}"
            yield DashboardQuery(where, target["expr"], target["legendFormat"], target["range"])


def annotation_queries(dashboard: Dashboard) -> Iterator[DashboardQuery]:
    for annotation in dashboard["annotations"]["list"]:
        where = f"{dashboard['uid']}: annotation {annotation['name']}"
        yield DashboardQuery(
            where, annotation["target"]["expr"], annotation["titleFormat"], is_range=True
        )


def variable_queries(dashboard: Dashboard) -> Iterator[tuple[str, str, str]]:
    """Give the name of each variable that is asked for, the series that it asks, and the label."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert match is not None
            yield variable["name"], match[1], match[2]


def canvas_elements(panel: Dashboard) -> list[Dashboard]:
    """Return what is drawn on a canvas, from the lowest to the uppermost."""
    found: list[Dashboard] = panel["options"]["root"]["elements"]
    return found


def canvas_series(panel: Dashboard) -> set[str]:
    """Return the names of series that a canvas shows something of."""
    dimensions = [
        dimension
        for element in canvas_elements(panel)
        for dimension in (
            element["background"]["color"],
            element["config"]["color"],
            element["config"]["text"],
        )
    ]
    return {dimension["field"] for dimension in dimensions if "field" in dimension}


def urls(node: object) -> Iterator[str]:
    """Give every URL that a click somewhere in a part of a dashboard leads to."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "url":
                yield value
            yield from urls(value)
    elif isinstance(node, list):
        for each in node:
            yield from urls(each)
