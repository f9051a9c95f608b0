"""Queries of a dashboard, and the values of its variables."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Dashboard = Mapping[str, Any]

STEP_SECONDS = 15
SECONDS = 15 * 60
"""Displayed time range. A demo rarely runs as long as the time range of the dashboards."""

_BUILT_IN_VARIABLES = {
    # The time of four scrapes, as Grafana computes it for the scrape interval of the dashboards.
    "__rate_interval": "20s",
    "__interval": f"{STEP_SECONDS}s",
    "__range": f"{SECONDS}s",
    "__url_time_range": "from=now-15m&to=now",
}
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")
# A hot rasp has the most to display.
_STATES = {3: "hot", 2: "warm", 1: "up", 0: "down", 4: "off"}
STATES_QUERY = "rack_stack_slot:pirack_rasp_state:max"


@dataclass(frozen=True, slots=True)
class RecordedQuery:
    """A query of a panel or an annotation.

    Attributes:
        name: The `refId` of the query, or the name of the annotation.
        expression: Expression without variables.
        is_range: Whether the result has all samples of the time range.
    """

    name: str
    expression: str
    is_range: bool


@dataclass(frozen=True, slots=True)
class VariableSelection:
    """Values of the variables `rack`, `stack` and `rasp`, and the name of their pictures."""

    name: str
    values: Mapping[str, str]


def variables_of(dashboard: Dashboard, selection: VariableSelection) -> dict[str, str]:
    """Return the values of all variables of a dashboard."""
    current = {
        variable["name"]: str(variable["current"]["value"])
        for variable in dashboard["templating"]["list"]
    }
    selected = {name: value for name, value in selection.values.items() if name in current}
    return {**_BUILT_IN_VARIABLES, **current, **selected}


def selections_of(
    dashboard: Dashboard, states: Sequence[tuple[Mapping[str, str], int]]
) -> list[VariableSelection]:
    """Return the values of variables to draw: a rasp of each state, or only the first rasp.

    Args:
        dashboard: The dashboard.
        states: The labels and the state of each rasp.
    """
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    if "stack" not in names:
        return [VariableSelection("", _names(states[0][0]))]
    first: dict[int, Mapping[str, str]] = {}
    for labels, state in states:
        first.setdefault(state, labels)
    return [
        VariableSelection(name, _names(first[state]))
        for state, name in _STATES.items()
        if state in first
    ]


def panel_queries(panel: Mapping[str, Any], variables: Mapping[str, str]) -> list[RecordedQuery]:
    """Return the queries of a panel."""
    return [
        RecordedQuery(
            target["refId"], _substitute(target["expr"], variables), not target["instant"]
        )
        for target in panel.get("targets", ())
    ]


def annotation_queries(
    dashboard: Dashboard, variables: Mapping[str, str]
) -> Iterator[RecordedQuery]:
    """Yield the queries of the annotations of a dashboard."""
    for annotation in dashboard["annotations"]["list"]:
        expression = _substitute(annotation["target"]["expr"], variables)
        yield RecordedQuery(annotation["name"], expression, is_range=True)


def panels_of(dashboard: Dashboard) -> Iterator[Mapping[str, Any]]:
    """Yield the panels of a dashboard, with those of collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def start_times(result: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return when each event of an annotation started. Events consist of adjacent samples."""
    starts = []
    for series in result:
        times = [time for time, value in series["values"] if float(value)]
        starts += [
            time
            for index, time in enumerate(times)
            if not index or time - times[index - 1] > STEP_SECONDS
        ]
    return sorted(starts)


def _names(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: labels[name] for name in ("rack", "stack", "rasp")}


def _substitute(expression: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], expression)
