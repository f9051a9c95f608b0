"""Dashboard JSON without its panels."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import links
from grafana.json_format import Json
from grafana.queries import DATASOURCE, STATE

_SCHEMA_VERSION = 39  # the version of Grafana 10, which newer versions migrate
_EVERY_LOAD, _EVERY_TIME_RANGE = 1, 2
_HIDDEN = 2
_ALPHABETICAL = 1


@dataclass(frozen=True, slots=True)
class DashboardDefaults:
    """Initial values of the dashboard variables."""

    controller_url: str
    rack: str
    stack: str
    rasp: str


def _datasource_variable() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "refresh": _EVERY_LOAD,
        "current": {"text": "Prometheus", "value": "prometheus"},
    }


def _query_variable(name: str, label: str, query: str, current: str) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": query, "refId": f"Variable-{name}"},
        "refresh": _EVERY_TIME_RANGE,
        "sort": _ALPHABETICAL,
        "current": {"text": current, "value": current},
    }


def _controller_variable(url: str) -> Json:
    return {
        "type": "constant",
        "name": "controller",
        "label": "Controller",
        "hide": _HIDDEN,
        "query": url,
        "current": {"text": url, "value": url},
    }


def variables(defaults: DashboardDefaults, *names: str) -> list[Json]:
    """Return the variables `datasource` and `controller`, and the variables in `names`."""
    choices = {
        "rack": _query_variable("rack", "Rack", f"label_values({STATE}, rack)", defaults.rack),
        "stack": _query_variable(
            "stack", "Stack", f'label_values({STATE}{{rack="$rack"}}, stack)', defaults.stack
        ),
        "rasp": _query_variable(
            "rasp",
            "Rasp",
            f'label_values({STATE}{{rack="$rack",stack="$stack"}}, rasp)',
            defaults.rasp,
        ),
    }
    return [
        _datasource_variable(),
        *(choices[name] for name in names),
        _controller_variable(defaults.controller_url),
    ]


def make_dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    panels: Sequence[Json],
    variables: Sequence[Json],
    annotations: Sequence[Json] = (),
    top_links: Sequence[Json] | None = None,
    since: str = "now-1h",
) -> Json:
    """Return a dashboard.

    Args:
        uid: Identifier in URLs.
        title: Displayed title.
        description: Question that the dashboard answers.
        panels: Panels with their positions.
        variables: Variables that the user can select.
        annotations: Annotations of the graphs.
        top_links: Links at the top, to the page of the rack and the other dashboards by default.
        since: Start of the displayed time range.
    """
    if top_links is None:
        top_links = links.dashboard_links("/", "Page of the rack")
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["pirack"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": since, "to": "now"},
        "timezone": "browser",
        "links": list(top_links),
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": list(panels),
    }
