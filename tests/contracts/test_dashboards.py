"""Tests of the committed dashboards."""

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
    panels_and_rows,
)

ROOT = Path(__file__).parents[2]
COUNTER_SUFFIXES = "(?:total|bucket|sum|count)"
FOLDER = ROOT / "grafana" / "dashboards"
COMMITTED: dict[str, Dashboard] = {
    file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.json")
}

each_dashboard = pytest.mark.parametrize("dashboard", COMMITTED.values(), ids=list(COMMITTED))


def test_committed_dashboards_match_the_shipped_rack_toml() -> None:
    generated = {
        uid: format_json(dashboard)
        for uid, dashboard in build_dashboards(load(ROOT / "rack.toml")).items()
    }
    committed = {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    assert sorted(committed) == sorted(generated)
    outdated = [uid for uid, text in generated.items() if committed[uid] != text]
    assert outdated == [], "run `make dashboards`"


def test_each_dashboard_has_one_question_and_its_own_title() -> None:
    assert {dashboard["uid"] for dashboard in COMMITTED.values()} == {
        *("pirack-rack", "pirack-rack-classic", "pirack-stack", "pirack-rasp"),
        *("pirack-racks", "pirack-self"),
    }
    assert len({dashboard["title"] for dashboard in COMMITTED.values()}) == len(COMMITTED)
    for dashboard in COMMITTED.values():
        assert dashboard["description"].count("?") == 1, dashboard["uid"]


@each_dashboard
def test_dashboard_can_be_imported_into_any_grafana(dashboard: Dashboard) -> None:
    """The dashboard contains no id, version or data source of one Grafana instance."""
    assert not {"id", "version", "iteration", "__inputs"} & dashboard.keys()
    assert dashboard["schemaVersion"] == 39
    assert dashboard["editable"] is False
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
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
def test_panels_and_queries_have_unique_names(dashboard: Dashboard) -> None:
    ids = [panel["id"] for panel in panels_and_rows(dashboard)]
    assert ids == list(range(1, len(ids) + 1))
    names = [(panel["title"], panel["type"]) for panel in panels(dashboard)]
    assert len(set(names)) == len(names)
    for panel in panels(dashboard):
        queries = [target["refId"] for target in panel["targets"]]
        assert len(set(queries)) == len(queries)
        elements = panel["options"].get("root", {}).get("elements", [])
        assert len({element["name"] for element in elements}) == len(elements)


@each_dashboard
def test_panels_fill_the_grid_without_overlap(dashboard: Dashboard) -> None:
    assert_fills_the_grid(dashboard)


@each_dashboard
def test_counters_are_queried_as_rates_over_the_rate_interval(dashboard: Dashboard) -> None:
    for query in [*panel_queries(dashboard), *annotation_queries(dashboard)]:
        ranges = re.findall(r"\[([^]]*)\]", query.expression)
        assert set(ranges) <= {"$__rate_interval"}, query
        counters = len(re.findall(rf"\w+_{COUNTER_SUFFIXES}\b", query.expression))
        rated = len(re.findall(rf"(?:rate|increase)\(\w+_{COUNTER_SUFFIXES}\b", query.expression))
        assert counters == rated, query


@each_dashboard
def test_dashboard_links_to_the_controller_and_the_other_dashboards(
    dashboard: Dashboard,
) -> None:
    page, dashboards = dashboard["links"][-2:]
    assert page["url"].startswith("${controller}/")
    assert (dashboards["type"], dashboards["tags"]) == ("dashboards", dashboard["tags"])
    assert dashboards["includeVars"]
    assert dashboards["keepTime"]


@each_dashboard
def test_dashboard_has_no_actions(dashboard: Dashboard) -> None:
    """An action in Grafana would send a request without a login."""
    assert '"actions"' not in json.dumps(dashboard)


def test_dashboard_of_a_site_uses_forwarded_metrics_only() -> None:
    """docs/how-to/many-racks.md lists the metrics that a rack forwards."""
    document = (ROOT / "docs" / "how-to" / "many-racks.md").read_text(encoding="utf-8")
    match = re.search(r'regex: "(rack_stack_slot(?:.|\n)*?)"', document)
    assert match is not None
    forwarded = set(re.sub(r"[\\\s]", "", match[1]).split("|"))
    for query in panel_queries(COMMITTED["pirack-racks"]):
        names = set(re.findall(r"\b(?:pirack_\w+|rack_stack_slot:[\w:]+|ALERTS)", query.expression))
        assert names
        assert names <= forwarded, query
