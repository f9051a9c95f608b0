"""The dashboards that are kept are those that are made, and keep to what makes good ones."""

import json
import re
from pathlib import Path

import pytest

from grafana.generator import build_dashboards
from grafana.json_format import format_json
from rack.layout_file import load
from tests.grafana.dashboard_reader import (
    Dashboard,
    annotation_queries,
    assert_fills_the_grid,
    panel_queries,
    panels,
)

ROOT = Path(__file__).parents[2]
COUNTER_SUFFIXES = "(?:total|bucket|sum|count)"
FOLDER = ROOT / "grafana" / "dashboards"
COMMITTED: dict[str, Dashboard] = {
    file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*")
}

each_dashboard = pytest.mark.parametrize("dashboard", COMMITTED.values(), ids=list(COMMITTED))


def test_the_dashboards_that_are_kept_are_those_of_the_rack_that_pirack_comes_with() -> None:
    made = {
        uid: format_json(each) for uid, each in build_dashboards(load(ROOT / "rack.toml")).items()
    }
    kept = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*")}
    assert sorted(kept) == sorted(made)
    differing = [uid for uid, each in made.items() if kept[uid] != each]
    assert differing == [], "run `make dashboards`"


def test_each_dashboard_answers_one_question_and_no_two_have_one_name() -> None:
    assert {each["uid"] for each in COMMITTED.values()} == {
        *("pirack-rack", "pirack-rack-classic", "pirack-stack", "pirack-rasp"),
        *("pirack-racks", "pirack-self"),
    }
    assert len({each["title"] for each in COMMITTED.values()}) == len(COMMITTED)
    for dashboard in COMMITTED.values():
        assert dashboard["description"].count("?") == 1, dashboard["uid"]


@each_dashboard
def test_a_dashboard_can_be_taken_into_any_grafana(dashboard: Dashboard) -> None:
    """Nothing in it is one Grafana's own: no id, no version, no data source by its name."""
    assert not {"id", "version", "iteration", "__inputs"} & dashboard.keys()
    assert dashboard["schemaVersion"] == 39
    assert dashboard["editable"] is False
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    uids = re.findall(r'"uid": "([^"]*)"', json.dumps(dashboard))
    assert set(uids) == {dashboard["uid"], "${datasource}"}
    assert "pluginVersion" not in json.dumps(dashboard)


@each_dashboard
def test_every_panel_has_a_title_a_description_and_a_unit(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert "displayName" not in panel["fieldConfig"]["defaults"], panel["title"]


@each_dashboard
def test_panels_and_queries_have_names_of_their_own(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in panels(dashboard)]
    assert ids == list(range(1, len(ids) + 1))
    names = [(panel["title"], panel["type"]) for panel in panels(dashboard)]
    assert len(set(names)) == len(names)
    for panel in panels(dashboard):
        queries = [target["refId"] for target in panel["targets"]]
        assert len(set(queries)) == len(queries)
        elements = panel["options"].get("root", {}).get("elements", [])
        assert len({element["name"] for element in elements}) == len(elements)


@each_dashboard
def test_panels_fill_the_width_and_none_lies_on_another(dashboard: Dashboard) -> None:
    assert_fills_the_grid(dashboard)


@each_dashboard
def test_counters_are_shown_by_their_rate_over_grafanas_own_interval(dashboard: Dashboard) -> None:
    for asked in [*panel_queries(dashboard), *annotation_queries(dashboard)]:
        ranges = re.findall(r"\[([^]]*)\]", asked.expression)
        assert set(ranges) <= {"$__rate_interval"}, asked
        counters = len(re.findall(rf"\w+_{COUNTER_SUFFIXES}\b", asked.expression))
        rated = len(re.findall(rf"(?:rate|increase)\(\w+_{COUNTER_SUFFIXES}\b", asked.expression))
        assert counters == rated, asked


@each_dashboard
def test_who_looks_can_go_on_to_the_controller_and_to_the_other_dashboards(
    dashboard: Dashboard,
) -> None:
    page, sisters = dashboard["links"]
    assert page["url"].startswith("${controller}/")
    assert (sisters["type"], sisters["tags"]) == ("dashboards", dashboard["tags"])
    assert sisters["includeVars"]
    assert sisters["keepTime"]


@each_dashboard
def test_nothing_is_done_by_a_click_that_only_shows(dashboard: Dashboard) -> None:
    """Grafana's actions are requests from the browser that nobody has to log in for."""
    assert '"actions"' not in json.dumps(dashboard)


def test_the_dashboard_of_a_site_asks_for_nothing_that_racks_keep_to_themselves() -> None:
    """What a rack sends on is told in docs/many-racks.md."""
    document = (ROOT / "docs" / "many-racks.md").read_text(encoding="utf-8")
    kept = re.search(r'regex: "(rack_stack_slot(?:.|\n)*?)"', document)
    assert kept is not None
    sent = set(re.sub(r"[\\\s]", "", kept[1]).split("|"))
    for asked in panel_queries(COMMITTED["pirack-racks"]):
        named = set(re.findall(r"\b(?:pirack_\w+|rack_stack_slot:[\w:]+|ALERTS)", asked.expression))
        assert named
        assert named <= sent, asked
