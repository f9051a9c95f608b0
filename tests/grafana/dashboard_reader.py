"""Helpers that extract panels, queries and links from a dashboard."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Dashboard = Mapping[str, Any]

# Built-in variables. The rate interval is the time of four scrapes, as for a time range of an hour.
BUILT_IN_VARIABLES = {"__rate_interval": "20s", "__interval": "15s"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True)
class DashboardQuery:
    """An expression of a dashboard and its location in the dashboard."""

    location: str
    expression: str
    legend: str = ""
    is_range: bool = False


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Replace variables with their values. Raise KeyError for an unknown variable."""
    variables = {**BUILT_IN_VARIABLES, **values}
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], text)


def series_name(query: DashboardQuery, labels: Mapping[str, str]) -> str:
    """Return the name of a series, which the legend of the query determines."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], query.legend)


def panels(dashboard: Dashboard) -> Iterator[Dashboard]:
    """Yield the panels with data, also those in collapsed rows."""
    yield from (panel for panel in panels_and_rows(dashboard) if panel["type"] != "row")


def panels_and_rows(dashboard: Dashboard) -> Iterator[Dashboard]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def assert_fills_the_grid(dashboard: Dashboard) -> None:
    """Assert that the panels fill the grid without overlaps and gaps, as do collapsed panels."""
    assert_fill(dashboard["panels"], top=0)
    for row in dashboard["panels"]:
        if row.get("collapsed"):
            assert_fill(row["panels"], top=row["gridPos"]["y"] + 1)


def assert_fill(panels: list[Dashboard], top: int) -> None:
    covered: dict[tuple[int, int], int] = {}
    for panel in panels:
        position = panel["gridPos"]
        for x in range(position["x"], position["x"] + position["w"]):
            for y in range(position["y"], position["y"] + position["h"]):
                assert covered.setdefault((x, y), panel["id"]) == panel["id"]
    last_row = max(y for _, y in covered)
    assert covered.keys() == {(x, y) for x in range(24) for y in range(top, last_row + 1)}


def panel_queries(dashboard: Dashboard) -> Iterator[DashboardQuery]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            location = f"{dashboard['uid']}: {panel['title']}: {target['refId']}"
            yield DashboardQuery(location, target["expr"], target["legendFormat"], target["range"])


def annotation_queries(dashboard: Dashboard) -> Iterator[DashboardQuery]:
    for annotation in dashboard["annotations"]["list"]:
        location = f"{dashboard['uid']}: annotation {annotation['name']}"
        yield DashboardQuery(
            location, annotation["target"]["expr"], annotation["titleFormat"], is_range=True
        )


def variable_queries(dashboard: Dashboard) -> Iterator[tuple[str, str, str]]:
    """Yield name, series selector and label of each query variable."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert match is not None
            yield variable["name"], match[1], match[2]


def canvas_elements(panel: Dashboard) -> list[Dashboard]:
    """Return the elements of a canvas, from bottom to top."""
    elements: list[Dashboard] = panel["options"]["root"]["elements"]
    return elements


def canvas_series(panel: Dashboard) -> set[str]:
    """Return the names of the series that canvas elements refer to."""
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
    """Yield every link URL in a part of a dashboard."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "url":
                yield value
            yield from urls(value)
    elif isinstance(node, list):
        for item in node:
            yield from urls(item)
