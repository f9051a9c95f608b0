"""What a dashboard has around its panels: name, variables, annotations, links and time."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import links
from grafana.json_format import Json
from grafana.queries import DATASOURCE, STATE

_SCHEMA_VERSION = 39  # Grafana 10's; later ones bring it up to their own
_EVERY_LOAD = 1
_HIDDEN = 2
_ALPHABETICAL = 1


@dataclass(frozen=True, slots=True)
class DashboardDefaults:
    """What a dashboard is first opened with: which controller, rack, stack and rasp."""

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
        "refresh": _EVERY_LOAD,
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
    """Return the variables `datasource` and `controller`, and the places that are named."""
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
    page: tuple[str, str] = ("/", "Page of the rack"),
    since: str = "now-1h",
) -> Json:
    """Return a dashboard.

    Args:
        uid: its name in URLs.
        title: its name for people.
        description: the question that it answers.
        panels: laid out already.
        variables: what can be chosen at its top.
        annotations: what is drawn over its curves.
        page: the controller's page about the same thing, and what the link to it is called.
        since: the beginning of the time that is shown.
    """
    path, name = page
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
        "links": links.dashboard_links(
            path, name, "What the controller says, and what can be ordered there"
        ),
        "templating": {"list": list(variables)},
        "annotations": {"list": list(annotations)},
        "panels": list(panels),
    }
