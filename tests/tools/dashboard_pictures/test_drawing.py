"""Drawings of the dashboards by Grafana's npm packages, with the data of a demo with faults."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from grafana.generator import build_dashboards
from tests.controller.fakes import RACK
from tests.helpers.waiting import wait_until
from tests.virtual_rack.demo.demo_process import REPOSITORY, DemoProcess, running_demo
from tools.dashboard_pictures.links import LABELS, link_problems
from tools.dashboard_pictures.pictures import WIDTHS, View, pictures_of
from tools.dashboard_pictures.queries import Dashboard
from tools.dashboard_pictures.recording import PrometheusApi, Recording, record
from tools.dashboard_pictures.renderer import DashboardRenderer, bundle_page

pytestmark = [pytest.mark.process, pytest.mark.verify]

UIDS = tuple(build_dashboards(RACK))
FAULTS = {
    "02": "dead", "03-2": "dead", "05": "hot", "07-1": "wrong-clock", "08-1": "undervoltage",
    "08-2": "readonly", "09-1": "hang",
}  # fmt: skip
SWITCHED_OFF = 11
HEAT_SECONDS = 600.0
STATES = {0, 1, 3, 4}  # down, up, hot, off
NOW = 1_800_000_000.0
DESKTOP, PHONE = View(WIDTHS["1280"], "dark"), View(WIDTHS["phone"], "dark")


@pytest.fixture(scope="module")
def renderer(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> DashboardRenderer:
    bundle = tmp_path_factory.mktemp("bundle")
    return DashboardRenderer(browser, bundle, bundle_page(bundle))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """A demo with rasps in all states, and with alerts."""
    folder = tmp_path_factory.mktemp("demo")
    with running_demo(folder, "--rack", str(REPOSITORY / "rack.toml")) as demo:
        for targets, fault in FAULTS.items():
            assert demo.run_virtual_rack("fault", targets, fault).returncode == 0
        order = {"id": SWITCHED_OFF, "action": "power_off", "force": True}
        assert demo.post("stacks/execute", order).ok
        prometheus = prometheus_of(demo)
        wait_until(lambda: demo.count('ALERTS{alertstate="firing",severity!="none"}') > 5)
        wait_until(
            lambda: {state for _, state in prometheus.states(time.time())} >= STATES, HEAT_SECONDS
        )
        yield demo


def prometheus_of(demo: DemoProcess) -> PrometheusApi:
    return PrometheusApi(f"http://127.0.0.1:{demo.port_base + 1}")


@pytest.mark.parametrize("uid", UIDS)
def test_dashboard_is_readable_and_its_links_have_values_of_labels(
    renderer: DashboardRenderer, demo: DemoProcess, uid: str
) -> None:
    file = demo.state_folder / "grafana" / "dashboards" / f"{uid}.json"
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    # Measured values of one moment can be unusually long.
    problems = draw_all(renderer, demo, dashboard)
    if problems:
        problems = similar(draw_all(renderer, demo, dashboard), problems)
    assert problems == [], "\n".join(problems)


def draw_all(renderer: DashboardRenderer, demo: DemoProcess, dashboard: Dashboard) -> Sequence[str]:
    """Draw a dashboard with the present data in all widths and themes. Return the problems."""
    prometheus, now = prometheus_of(demo), time.time()
    labels = {label: prometheus.label_values(label) for label in LABELS}
    # Readers with phones follow this link instead.
    has_phone_link = any(link["title"] == "For phones" for link in dashboard["links"])
    problems = []
    for picture in pictures_of(dashboard, prometheus.states(now)):
        if has_phone_link and picture.view.width == WIDTHS["phone"]:
            continue
        recording = record(prometheus, dashboard, picture.selection, now)
        drawn = renderer.draw(dashboard, recording, picture.view)
        found = [*drawn.problems, *link_problems(drawn.links, labels)]
        problems += [f"{picture.name}: {problem}" for problem in found]
    return problems


def similar(problems: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """Return the problems that differ from one of the others in numbers only, or not at all."""
    known = {re.sub(r"\d+", "0", other) for other in others}
    return [problem for problem in problems if re.sub(r"\d+", "0", problem) in known]


def stat(title: str = "State", *, width: int = 24, color: str = "#11806a") -> dict[str, Any]:
    return {
        "id": 1,
        "type": "stat",
        "title": title,
        "gridPos": {"x": 0, "y": 0, "w": width, "h": 5},
        "targets": [{"refId": "A", "expr": "up", "legendFormat": "{{rasp}}", "instant": True}],
        "fieldConfig": {
            "defaults": {
                "unit": "none",
                "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": None}]},
            },
            "overrides": [],
        },
        "options": {
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
            "orientation": "vertical",
            "textMode": "value",
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
        },
    }


def canvas(*texts: Mapping[str, Any]) -> dict[str, Any]:
    elements = [
        {
            "type": "rectangle",
            "name": f"element-{index}",
            "constraint": {"horizontal": "scale", "vertical": "scale"},
            "placement": {"left": 10, "right": 10, "top": 10, "bottom": 10, **text["placement"]},
            "background": {"color": {"fixed": "transparent"}},
            "config": {
                "align": "center",
                "valign": "middle",
                "size": 14,
                "color": {"fixed": "text"},
                "text": {"mode": "fixed", "fixed": text["text"]},
            },
        }
        for index, text in enumerate(texts)
    ]
    return {**stat("Rack"), "type": "canvas", "options": {"root": {"elements": elements}}}


def table(**column: Any) -> dict[str, Any]:
    properties = [{"id": name, "value": value} for name, value in column.items()]
    override = {"matcher": {"id": "byName", "options": "stack"}, "properties": properties}
    panel = stat("Alerts") | {"type": "table", "options": {"showHeader": True, "cellHeight": "sm"}}
    panel["targets"] = [{"refId": "A", "expr": "up", "format": "table", "instant": True}]
    panel["fieldConfig"]["overrides"] = [override]
    include = {"names": ["rasp", "stack", "Value"]}
    panel["transformations"] = [{"id": "filterFieldsByName", "options": {"include": include}}]
    return panel


def draw(
    renderer: DashboardRenderer, *panels: Mapping[str, Any], view: View = DESKTOP
) -> tuple[list[str], list[str]]:
    """Return the problems and the links of a dashboard of panels, each with one series."""
    dashboard: Dashboard = {
        "links": [],
        "annotations": {"list": []},
        "panels": [{**panel, "id": index} for index, panel in enumerate(panels)],
    }
    labels = {"rack": "small", "stack": "02", "rasp": "02-1"}
    recording: Recording = {
        "variables": {"rack": "small"},
        "from": NOW - 900,
        "to": NOW,
        "step": 15,
        "results": {
            index: {"A": [{"metric": labels, "value": [NOW, "1"]}]}
            for index, _ in enumerate(panels)
        },
        "annotations": {},
    }
    drawn = renderer.draw(dashboard, recording, view)
    return list(drawn.problems), list(drawn.links)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_readable_panels_have_no_problem(renderer: DashboardRenderer, theme: str) -> None:
    above, below = {"bottom": 60}, {"top": 60}
    cells = canvas({"text": "01-1", "placement": above}, {"text": "UP", "placement": below})
    for panel in (stat(), cells, table(unit="string")):
        assert draw(renderer, panel, view=View(1280, theme))[0] == []


def test_overlapping_texts_are_reported(renderer: DashboardRenderer) -> None:
    cells = canvas({"text": "01-1", "placement": {}}, {"text": "UP", "placement": {}})
    assert draw(renderer, cells)[0] == ['Rack: overlaps: "01-1" and "UP"']


def test_cut_title_is_reported(renderer: DashboardRenderer) -> None:
    title = "Power supply and throttling"
    assert draw(renderer, stat(title, width=3))[0] == [f'{title}: is cut: "{title}"']


def test_cut_cell_of_a_table_is_reported(renderer: DashboardRenderer) -> None:
    mapping = {"type": "value", "options": {"02": {"text": "PiRackRaspRootReadOnly"}}}
    panel = table(unit="string", mappings=[mapping]) | {"title": "Alerts"}
    panel["fieldConfig"]["overrides"][0]["properties"].append({"id": "custom.width", "value": 80})
    assert draw(renderer, panel)[0] == ['Alerts: is cut: "PiRackRaspRootReadOnly"']


def test_low_contrast_is_reported(renderer: DashboardRenderer) -> None:
    options = stat()["options"] | {"colorMode": "background"}
    [problem] = draw(renderer, stat(color="#98a1ab") | {"options": options})[0]
    assert problem.startswith("State: has a contrast of 2.")


def test_panel_that_cannot_be_drawn_is_reported(renderer: DashboardRenderer) -> None:
    problems, _ = draw(renderer, stat() | {"type": "unknown"})
    assert "console: Error: cannot draw a panel of the type unknown" in "\n".join(problems)


def test_panel_of_a_collapsed_row_is_drawn(renderer: DashboardRenderer) -> None:
    title = "Power supply and throttling"
    row = {
        "type": "row",
        "title": "More",
        "collapsed": True,
        "gridPos": {"x": 0, "y": 5, "w": 24, "h": 1},
        "panels": [stat(title, width=3) | {"id": 0, "gridPos": {"x": 0, "y": 6, "w": 3, "h": 5}}],
    }
    assert draw(renderer, stat(), row)[0] == [f'{title}: is cut: "{title}"']


def test_link_has_the_displayed_text_of_another_column(renderer: DashboardRenderer) -> None:
    link = {"title": "Stack", "url": "/d/pirack-stack?var-stack=${__data.fields.stack}"}
    assert draw(renderer, table(unit="string", links=[link]))[1] == ["/d/pirack-stack?var-stack=02"]
    # A unit of numbers changes the text to a number.
    assert draw(renderer, table(unit="none", links=[link]))[1] == ["/d/pirack-stack?var-stack=2"]


def test_wide_table_is_a_problem_on_desktops_only(renderer: DashboardRenderer) -> None:
    panel = table(**{"unit": "string", "custom.width": 2000})
    assert draw(renderer, panel)[0] == ['Alerts: is cut: "Value", "1"']
    assert draw(renderer, panel, view=PHONE)[0] == []


def test_picture_is_compressed(renderer: DashboardRenderer, tmp_path: Path) -> None:
    dashboard: Dashboard = {"links": [], "annotations": {"list": []}, "panels": [stat()]}
    recording = {
        "variables": {},
        "from": NOW - 900,
        "to": NOW,
        "step": 15,
        "results": {1: {"A": []}},
        "annotations": {},
    }
    picture = renderer.draw(dashboard, recording, DESKTOP).picture
    compressed = renderer.compress(picture)
    assert compressed.startswith(b"RIFF")
    assert len(compressed) < len(picture)
