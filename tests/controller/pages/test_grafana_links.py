"""The links from pages to dashboards, held against the dashboards that there are."""

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from controller.command_line.arguments import build_parser
from controller.pages.grafana_links import GrafanaLinks
from grafana.generator import build_dashboards
from tests.controller.fakes import RACK

DASHBOARDS = build_dashboards(RACK)
GRAFANA = GrafanaLinks("http://master:3000/")

LINKS = {
    "rack": GRAFANA.rack(RACK),
    "stack": GRAFANA.stack(RACK, RACK.stack(3)),
    "rasp": GRAFANA.rasp(RACK, RACK.slot(10)),
}


def test_a_rasp_has_its_dashboard() -> None:
    assert LINKS["rasp"] == (
        "http://master:3000/d/pirack-rasp?var-rack=pirack&var-stack=03&var-rasp=03-2"
    )


@pytest.mark.parametrize("link", LINKS.values(), ids=list(LINKS))
def test_a_link_leads_to_a_dashboard_that_is_made_and_chooses_all_of_its_variables(
    link: str,
) -> None:
    path, query = urlsplit(link).path, parse_qs(urlsplit(link).query)
    dashboard = DASHBOARDS[path.removeprefix("/d/")]
    templating = dashboard["templating"]
    assert isinstance(templating, dict)
    chosen = {each["name"] for each in templating["list"] if each["type"] == "query"}
    assert {f"var-{name}" for name in chosen} == set(query)


def test_the_pages_lead_to_the_dashboards_about_the_same(app: Flask, client: FlaskClient) -> None:
    pages = {"/": LINKS["rack"], "/stacks/3": LINKS["stack"], "/rasps/10": LINKS["rasp"]}
    for path in (*pages, "/master"):
        assert "/d/pirack-" not in client.get(path).text
    app.jinja_env.globals["grafana"] = GRAFANA
    for path, link in pages.items():
        assert f'href="{escape(link)}"' in client.get(path).text
    assert 'href="http://master:3000/d/pirack-self"' in client.get("/master").text


def test_where_there_is_no_grafana_there_are_no_links() -> None:
    assert GrafanaLinks().rasp(RACK, RACK.slot(10)) == ""
    assert GrafanaLinks().rack(RACK) == ""


def test_a_grafana_below_a_path_keeps_it() -> None:
    assert GrafanaLinks("https://example.org/grafana").rack(RACK) == (
        "https://example.org/grafana/d/pirack-rack?var-rack=pirack"
    )


def test_the_option_takes_a_url_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_parser().parse_args([]).grafana == ""
    assert build_parser().parse_args(["--grafana", ""]).grafana == ""
    url = "https://example.org/grafana"
    assert build_parser().parse_args(["--grafana", url]).grafana == url
    for wrong in ("master:3000", "javascript:alert(1)", "/grafana"):
        with pytest.raises(SystemExit):
            build_parser().parse_args(["--grafana", wrong])
        assert "is no URL such as http://master:3000" in capsys.readouterr().err
