"""Queries and links of all dashboards, with a real Prometheus and a rack with many faults."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from grafana.generator import build_dashboards
from rack.layout_file import load
from tests.controller.rack_process import ControllerProcess
from tests.grafana.dashboard_reader import (
    Dashboard,
    DashboardQuery,
    annotation_queries,
    canvas_series,
    panel_queries,
    panels,
    series_name,
    substitute,
    urls,
    variable_queries,
)
from tests.grafana.monitored_rack import MonitoredRack, running_monitored_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

UIDS = (
    *("pirack-rack", "pirack-rack-classic", "pirack-stack", "pirack-rasp"),
    *("pirack-racks", "pirack-self"),
)
# Values of the variables, for a stack that is on and for a stack that is switched off.
SELECTIONS = [
    {"rack": "small", "stack": "02", "rasp": "02-1"},
    {"rack": "small", "stack": "03", "rasp": "03-1"},
]

RUN_ANNOTATIONS = ("annotation Runs", "annotation Faults")
RUN_PANELS = ("Injected faults", "Power change delay", "Finished runs", "Duration of runs")
EXPERIMENT = """
nodes = "stacks 2"
check = "none"

[abort]
under_voltage = false

[[fault]]
kind = "power"
pick = "all"
at = "1 s"
off = "1 s"
"""

each_dashboard = pytest.mark.parametrize("uid", UIDS)


@pytest.fixture(scope="module")
def monitored(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[MonitoredRack, ControllerProcess]]:
    with running_monitored_rack(tmp_path_factory.mktemp("monitored")) as rack:
        yield rack


@pytest.fixture(scope="module")
def monitored_rack(monitored: tuple[MonitoredRack, ControllerProcess]) -> MonitoredRack:
    return monitored[0]


@pytest.fixture(scope="module")
def controller(monitored: tuple[MonitoredRack, ControllerProcess]) -> ControllerProcess:
    return monitored[1]


@pytest.fixture(scope="module")
def dashboards(
    monitored_rack: MonitoredRack, controller: ControllerProcess
) -> Mapping[str, Dashboard]:
    return build_dashboards(load(monitored_rack.layout_path), controller.url)


def canvas_panel(dashboards: Mapping[str, Dashboard]) -> Dashboard:
    [canvas] = [panel for panel in panels(dashboards["pirack-rack"]) if panel["type"] == "canvas"]
    return canvas


def find_series(
    monitored_rack: MonitoredRack, query: DashboardQuery, selection: Mapping[str, str]
) -> list[Mapping[str, str]]:
    """Return the labels of the results of a query, now or in the last five minutes."""
    expression = substitute(query.expression, selection)
    now = time.time()
    result: dict[str, Any] = (
        monitored_rack.query_prometheus(
            "query_range", query=expression, start=now - 300, end=now, step=5
        )
        if query.is_range
        else monitored_rack.query_prometheus("query", query=expression)
    )
    return [series["metric"] for series in result["result"]]


def is_expected(monitored_rack: MonitoredRack, query: DashboardQuery) -> bool:
    """Return whether a query must have a result. This machine may lack a sensor."""
    if "pirack_master_temperature_celsius" in query.expression:
        return bool(
            monitored_rack.query_prometheus("query", query="pirack_master_temperature_celsius")[
                "result"
            ]
        )
    # Other tests start an install and a run.
    return not (
        query.location.endswith(("annotation Installs", *RUN_ANNOTATIONS))
        or has_value_after_a_run(query)
    )


def has_value_after_a_run(query: DashboardQuery) -> bool:
    return any(panel in query.location for panel in RUN_PANELS)


def label_values(
    monitored_rack: MonitoredRack, selector: str, label: str, selected: Mapping[str, str]
) -> set[str]:
    """Return the values that a variable offers while the given values are selected."""
    parameters = {"match[]": substitute(selector, selected)}
    return {each[label] for each in monitored_rack.query_prometheus("series", **parameters)}


@each_dashboard
def test_every_query_of_panels_and_annotations_has_a_result(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
    uid: str,
) -> None:
    dashboard = dashboards[uid]
    pending = list(chain(panel_queries(dashboard), annotation_queries(dashboard)))
    assert pending

    def have_all_results() -> bool:
        monitored_rack.send_request(controller, "rasps/execute", id=3, action="ping")
        pending[:] = [
            query
            for query in pending
            if not any(find_series(monitored_rack, query, selection) for selection in SELECTIONS)
        ]
        return not any(is_expected(monitored_rack, query) for query in pending)

    try:
        wait_until(have_all_results)
    except AssertionError:
        pytest.fail("\n".join(str(query) for query in pending))


@each_dashboard
def test_annotation_queries_return_only_the_value_1(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard], uid: str
) -> None:
    now = time.time()
    for query, selection in product(annotation_queries(dashboards[uid]), SELECTIONS):
        expression = substitute(query.expression, selection)
        result = monitored_rack.query_prometheus(
            "query_range", query=expression, start=now - 300, end=now, step=5
        )
        values = {value for series in result["result"] for _, value in series["values"]}
        assert values <= {"1"}, query


@each_dashboard
def test_default_of_every_variable_is_one_of_its_values(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard], uid: str
) -> None:
    dashboard = dashboards[uid]
    defaults = {
        variable["name"]: variable["current"]["value"]
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }
    for name, selector, label in variable_queries(dashboard):
        wait_until(partial(label_values, monitored_rack, selector, label, defaults))
        assert defaults[name] in label_values(monitored_rack, selector, label, defaults)


def test_canvas_elements_refer_to_existing_series(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard]
) -> None:
    canvas = canvas_panel(dashboards)
    queries = list(panel_queries({**dashboards["pirack-rack"], "panels": [canvas]}))
    # Rasps that are dead or off have no temperature.
    missing = {"t 01-1", "t 03-1", "t 03-2"}

    def series_names() -> set[str]:
        return {
            series_name(query, labels)
            for query in queries
            for labels in find_series(monitored_rack, query, SELECTIONS[0])
        }

    wait_until(lambda: series_names() == canvas_series(canvas) - missing)


def test_canvas_distinguishes_rasps_that_are_off_and_down(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard]
) -> None:
    canvas = canvas_panel(dashboards)
    texts = canvas["fieldConfig"]["defaults"]["mappings"][0]["options"]
    expression = substitute(canvas["targets"][0]["expr"], SELECTIONS[0])

    def states() -> dict[str, str]:
        result = monitored_rack.query_prometheus("query", query=expression)["result"]
        return {each["metric"]["rasp"]: texts[each["value"][1]]["text"] for each in result}

    wait_until(lambda: states().get("01-1") == "DOWN")
    wait_until(lambda: states().get("03-2") == "OFF")


def link_variables(url: str) -> dict[str, str]:
    """Return the variables that Grafana sets when a link is clicked."""
    values = {
        "/stacks/": "02",
        "/d/pirack-stack?": "02",
        "/d/pirack-rack?": "small",
        "/runbooks/": "PiRackRaspDown",
    }
    value = next((value for part, value in values.items() if part in url), "02-1")
    return {
        "controller": "",
        "__url_time_range": "from=now-1h&to=now",
        "__field.labels.stack": "02",
        "__field.labels.rasp": "02-1",
        "__data.fields.Stack": "02",
        "__data.fields.stack_dashboard": "pirack-stack?var-stack=02&",
        "__data.fields.stack_page": "stacks/02",
        "__data.fields.rasp_dashboard": "pirack-rasp?var-stack=02&var-rasp=02-1&",
        "__data.fields.rasp_page": "rasps/02-1",
        "__value.raw": value,
        **SELECTIONS[0],
    }


@each_dashboard
def test_links_lead_to_existing_pages_and_dashboards(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
    uid: str,
) -> None:
    links = set(urls(dashboards[uid]))
    assert links
    pages = {
        substitute(url, link_variables(url)) for url in links if url.startswith("${controller}/")
    }
    dashboard_urls = {
        substitute(url, link_variables(url)) for url in links if not url.startswith("$")
    }
    assert len(pages) + len(dashboard_urls) >= 1
    for path in pages:
        response = requests.get(controller.url + path, timeout=TIMEOUT_SECONDS)
        assert response.status_code == 200, path
    for url in dashboard_urls:
        parts = urlsplit(url)
        target = dashboards[parts.path.removeprefix("/d/")]
        values = {name: each for name, [each] in parse_qs(parts.query).items()}
        if not values:  # a link at the top, to which Grafana adds all variables
            continue
        # The link keeps the time range, and selects a value of each variable.
        assert (values.pop("from"), values.pop("to")) == ("now-1h", "now"), url
        selected = {name.removeprefix("var-"): each for name, each in values.items()}
        queries = {name: (selector, label) for name, selector, label in variable_queries(target)}
        assert selected.keys() == queries.keys(), url
        for name, (selector, label) in queries.items():
            wait_until(partial(label_values, monitored_rack, selector, label, selected))
            offered = label_values(monitored_rack, selector, label, selected)
            assert selected[name] in offered, url


def test_page_of_a_rasp_is_found_by_id_and_name(controller: ControllerProcess) -> None:
    by_name = requests.get(f"{controller.url}/rasps/02-1", timeout=TIMEOUT_SECONDS)
    by_id = requests.get(f"{controller.url}/rasps/3", timeout=TIMEOUT_SECONDS)
    assert by_name.url == by_id.url
    assert "02-1" in by_id.text


def annotations(
    dashboards: Mapping[str, Dashboard], names: tuple[str, ...]
) -> list[DashboardQuery]:
    return [
        query
        for dashboard in dashboards.values()
        for query in annotation_queries(dashboard)
        if query.location.endswith(names)
    ]


def test_run_of_an_experiment_and_its_fault_are_annotated(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
) -> None:
    pending = annotations(dashboards, RUN_ANNOTATIONS)
    assert len(pending) == 10
    panels_of_runs = [
        query for query in panel_queries(dashboards["pirack-self"]) if has_value_after_a_run(query)
    ]
    assert len(panels_of_runs) == 5
    pending += panels_of_runs[2:]
    run = monitored_rack.send_request(
        controller, "experiments", file="blip.toml", text=EXPERIMENT, seed=1
    ).json()

    path = f"experiments/{run['id']}"

    def renew_lease() -> str:
        lease = monitored_rack.send_request(controller, f"{path}/lease", rates=[], answers=[])
        state: str = lease.json()["run"]["state"]
        return state

    def have_all_results() -> bool:
        renew_lease()
        pending[:] = [
            query for query in pending if not find_series(monitored_rack, query, SELECTIONS[0])
        ]
        return not pending

    wait_until(have_all_results)
    monitored_rack.send_request(controller, path, "DELETE")
    wait_until(lambda: renew_lease() == "aborted")
    wait_until(
        lambda: all(find_series(monitored_rack, query, SELECTIONS[0]) for query in panels_of_runs)
    )


def test_running_install_is_annotated(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
) -> None:
    """Run last, because an install switches the stacks off and on."""
    queries = annotations(dashboards, ("annotation Installs",))
    assert len(queries) == 5
    monitored_rack.send_request(controller, "installation", strategy="cut")
    wait_until(lambda: all(find_series(monitored_rack, query, SELECTIONS[0]) for query in queries))
    monitored_rack.send_request(controller, "installation", "DELETE")
