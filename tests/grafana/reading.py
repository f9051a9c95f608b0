"""A dashboard as Grafana reads it: its panels, what it asks Prometheus, and where it leads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Dashboard = Mapping[str, Any]

# What Grafana puts in by itself. The rate interval is four scrapes, as for a dashboard of an hour.
BUILT_IN = {"__rate_interval": "20s", "__interval": "15s"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][\w.]*)\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Asked:
    """An expression that a dashboard asks, and where in the dashboard it stands."""

    where: str
    expression: str
    legend: str = ""
    over_time: bool = False


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put in the variables' values; one that is not known is an error."""
    known = {**BUILT_IN, **values}
    return _VARIABLE.sub(lambda match: known[match[1] or match[2]], text)


def legend(asked: Asked, labels: Mapping[str, str]) -> str:
    """Return the name that a series has by its legend."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]], asked.legend)


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


def of_panels(dashboard: Dashboard) -> Iterator[Asked]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            where = f"{dashboard['uid']}: {panel['title']}: {target['refId']}"
            yield Asked(where, target["expr"], target["legendFormat"], target["range"])


def of_annotations(dashboard: Dashboard) -> Iterator[Asked]:
    for annotation in dashboard["annotations"]["list"]:
        where = f"{dashboard['uid']}: annotation {annotation['name']}"
        yield Asked(where, annotation["target"]["expr"], annotation["titleFormat"], over_time=True)


def of_variables(dashboard: Dashboard) -> Iterator[tuple[str, str, str]]:
    """Give the name of each variable that is asked for, the series that it asks, and the label."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert match is not None
            yield variable["name"], match[1], match[2]


def elements(panel: Dashboard) -> list[Dashboard]:
    """Return what is drawn on a canvas, from the lowest to the uppermost."""
    found: list[Dashboard] = panel["options"]["root"]["elements"]
    return found


def fields(panel: Dashboard) -> set[str]:
    """Return the names of series that a canvas shows something of."""
    dimensions = [
        dimension
        for element in elements(panel)
        for dimension in (
            element["background"]["color"],
            element["config"]["color"],
            element["config"]["text"],
        )
    ]
    return {dimension["field"] for dimension in dimensions if "field" in dimension}


def urls(part: object) -> Iterator[str]:
    """Give every URL that a click somewhere in a part of a dashboard leads to."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name == "url":
                yield value
            yield from urls(value)
    elif isinstance(part, list):
        for each in part:
            yield from urls(each)
