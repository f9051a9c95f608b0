"""Every dashboard, against a real Prometheus and controller of a rack in which much is wrong."""

import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, product
from typing import Any

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
from tests.helpers.waiting import wait_until

SECONDS = 90
UIDS = (
    *("pirack-rack", "pirack-rack-classic", "pirack-stack", "pirack-rasp"),
    *("pirack-racks", "pirack-self"),
)
# Two of the places that can be chosen at the top: one that is on, one that is switched off.
SELECTIONS = [
    {"rack": "small", "stack": "02", "rasp": "02-1"},
    {"rack": "small", "stack": "03", "rasp": "03-1"},
]

each_dashboard = pytest.mark.parametrize("uid", UIDS)


@pytest.fixture(scope="module")
def monitored(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[MonitoredRack, ControllerProcess]]:
    with running_monitored_rack(tmp_path_factory.mktemp("watched")) as watched:
        yield watched


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


def find_series(
    monitored_rack: MonitoredRack, query: DashboardQuery, selection: Mapping[str, str]
) -> list[Mapping[str, str]]:
    """Return the labels of what a query finds, now or in the last five minutes."""
    expression = substitute(query.expression, selection)
    now = time.time()
    found: dict[str, Any] = (
        monitored_rack.query_prometheus(
            "query_range", query=expression, start=now - 300, end=now, step=5
        )
        if query.is_range
        else monitored_rack.query_prometheus("query", query=expression)
    )
    return [each["metric"] for each in found["result"]]


def is_expected(monitored_rack: MonitoredRack, query: DashboardQuery) -> bool:
    """Tell whether there is what is asked for: a master's sensor, say, is not on any machine."""
    if "pirack_master_temperature_celsius" in query.expression:
        return bool(
            monitored_rack.query_prometheus("query", query="pirack_master_temperature_celsius")[
                "result"
            ]
        )
    return not query.location.endswith("annotation Installs")  # none runs yet; see below


@each_dashboard
def test_every_query_of_every_panel_and_annotation_finds_something(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
    uid: str,
) -> None:
    dashboard = dashboards[uid]
    waiting = list(chain(panel_queries(dashboard), annotation_queries(dashboard)))
    assert waiting

    def are_all_found() -> bool:
        monitored_rack.send_request(controller, "rasps/execute", id=3, action="ping")
        waiting[:] = [
            asked
            for asked in waiting
            if not any(find_series(monitored_rack, asked, each) for each in SELECTIONS)
        ]
        return not any(is_expected(monitored_rack, asked) for asked in waiting)

    try:
        wait_until(are_all_found, SECONDS)
    except AssertionError:
        pytest.fail("\n".join(str(asked) for asked in waiting))


@each_dashboard
def test_what_is_marked_as_an_event_is_1_which_every_grafana_shows(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard], uid: str
) -> None:
    now = time.time()
    for asked, place in product(annotation_queries(dashboards[uid]), SELECTIONS):
        expression = substitute(asked.expression, place)
        found = monitored_rack.query_prometheus(
            "query_range", query=expression, start=now - 300, end=now, step=5
        )
        values = {value for each in found["result"] for _, value in each["values"]}
        assert values <= {"1"}, asked


@each_dashboard
def test_every_variable_has_something_to_choose_and_is_first_set_to_one_of_it(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard], uid: str
) -> None:
    dashboard = dashboards[uid]
    first = {
        each["name"]: each["current"]["value"]
        for each in dashboard["templating"]["list"]
        if each["type"] == "query"
    }

    def chosen_from(asked: str, label: str) -> set[str]:
        matching = {"match[]": substitute(asked, first)}
        return {each[label] for each in monitored_rack.query_prometheus("series", **matching)}

    for name, asked, label in variable_queries(dashboard):
        wait_until(partial(chosen_from, asked, label))
        assert first[name] in chosen_from(asked, label)


def test_everything_on_the_canvas_is_the_name_of_a_series(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard]
) -> None:
    [canvas] = [each for each in panels(dashboards["pirack-rack"]) if each["type"] == "canvas"]
    queries = list(panel_queries({**dashboards["pirack-rack"], "panels": [canvas]}))
    # The dead one has no temperature, nor have those that are off.
    missing = {"t 01-1", "t 03-1", "t 03-2"}

    def are_as_named() -> bool:
        named = {
            series_name(asked, labels)
            for asked in queries
            for labels in find_series(monitored_rack, asked, SELECTIONS[0])
        }
        return named == canvas_series(canvas) - missing

    wait_until(are_as_named, SECONDS)


def test_a_stack_that_is_off_and_a_rasp_that_is_dead_are_told_apart(
    monitored_rack: MonitoredRack, dashboards: Mapping[str, Dashboard]
) -> None:
    """By the words on the canvas, through its own query and mapping."""
    [canvas] = [each for each in panels(dashboards["pirack-rack"]) if each["type"] == "canvas"]
    words = canvas["fieldConfig"]["defaults"]["mappings"][0]["options"]
    expression = substitute(canvas["targets"][0]["expr"], SELECTIONS[0])

    def states() -> dict[str, str]:
        found = monitored_rack.query_prometheus("query", query=expression)["result"]
        return {each["metric"]["rasp"]: words[each["value"][1]]["text"] for each in found}

    wait_until(lambda: states().get("01-1") == "DOWN", SECONDS)
    wait_until(lambda: states().get("03-2") == "OFF", SECONDS)


def link_variables(url: str) -> dict[str, str]:
    """Return what Grafana knows where a value is clicked, by the kind of thing it is about."""
    clicked = "02" if "/stacks/" in url else "small" if "/d/pirack-rack?" in url else "02-1"
    return {
        "controller": "",
        "__url_time_range": "from=now-1h&to=now",
        "__field.labels.stack": "02",
        "__field.labels.rasp": "02-1",
        "__data.fields.Stack": "02",
        "__value.raw": clicked,
        **SELECTIONS[0],
    }


@each_dashboard
def test_every_link_leads_to_a_page_that_is_there_or_to_a_dashboard_and_its_variables(
    controller: ControllerProcess, dashboards: Mapping[str, Dashboard], uid: str
) -> None:
    found = set(urls(dashboards[uid]))
    assert found
    pages = {
        substitute(url, link_variables(url)) for url in found if url.startswith("${controller}/")
    }
    others = {substitute(url, link_variables(url)) for url in found if not url.startswith("$")}
    assert len(pages) + len(others) >= 1
    for path in pages:
        answer = requests.get(controller.url + path, timeout=10)
        assert answer.status_code == 200, path
    for url in others:
        match = re.fullmatch(r"/d/([\w-]+)\?(.*)", url)
        assert match is not None, url
        variables = {each["name"] for each in dashboards[match[1]]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", match[2])) <= variables, url


def test_a_rasp_is_led_to_by_its_id_or_by_its_name(controller: ControllerProcess) -> None:
    by_name = requests.get(f"{controller.url}/rasps/02-1", timeout=10)
    by_id = requests.get(f"{controller.url}/rasps/3", timeout=10)
    assert by_name.url == by_id.url
    assert "02-1" in by_id.text


def test_an_install_is_marked_while_it_runs(
    monitored_rack: MonitoredRack,
    controller: ControllerProcess,
    dashboards: Mapping[str, Dashboard],
) -> None:
    """The last test of this room: an install switches its stacks off and on."""
    marked = [
        asked
        for dashboard in dashboards.values()
        for asked in annotation_queries(dashboard)
        if asked.location.endswith("annotation Installs")
    ]
    assert len(marked) == 5
    monitored_rack.send_request(controller, "installation", strategy="cut")
    wait_until(lambda: all(find_series(monitored_rack, asked, SELECTIONS[0]) for asked in marked))
    monitored_rack.send_request(controller, "installation", "DELETE")
