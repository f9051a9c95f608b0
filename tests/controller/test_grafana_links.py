"""Tests of the links to the dashboards, against the generated dashboards."""

from urllib.parse import parse_qs, urlsplit

import click
import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from controller.__main__ import controller
from controller.grafana_links import GrafanaLinks
from grafana.generator import build_dashboards
from tests.controller.fakes import RACK
from tests.helpers.click_commands import parse_command

DASHBOARDS = build_dashboards(RACK)
GRAFANA = GrafanaLinks("http://master:3000/")

LINKS = {
    "rack": GRAFANA.rack(RACK),
    "stack": GRAFANA.stack(RACK, RACK.stack(3)),
    "rasp": GRAFANA.rasp(RACK, RACK.slot(10)),
}


def test_link_of_a_rasp_selects_rack_stack_and_rasp() -> None:
    assert LINKS["rasp"] == (
        "http://master:3000/d/pirack-rasp?var-rack=pirack&var-stack=03&var-rasp=03-2"
    )


@pytest.mark.parametrize("link", LINKS.values(), ids=list(LINKS))
def test_link_sets_all_variables_of_a_generated_dashboard(link: str) -> None:
    path, query = urlsplit(link).path, parse_qs(urlsplit(link).query)
    dashboard = DASHBOARDS[path.removeprefix("/d/")]
    templating = dashboard["templating"]
    assert isinstance(templating, dict)
    variables = {variable["name"] for variable in templating["list"] if variable["type"] == "query"}
    assert {f"var-{name}" for name in variables} == set(query)


PAGES = {
    "/": LINKS["rack"],
    "/stacks/3": LINKS["stack"],
    "/rasps/10": LINKS["rasp"],
    "/master": GRAFANA.pirack(),
}


def test_pages_link_to_the_dashboards_of_their_subject(app: Flask, client: FlaskClient) -> None:
    app.jinja_env.globals["grafana"] = GRAFANA
    for path, link in PAGES.items():
        assert f'href="{escape(link)}"' in client.get(path).text


def test_pages_have_no_links_to_dashboards_without_grafana(client: FlaskClient) -> None:
    for path in PAGES:
        assert "/d/pirack-" not in client.get(path).text


def test_links_are_empty_without_grafana() -> None:
    assert GrafanaLinks().rasp(RACK, RACK.slot(10)) == ""
    assert GrafanaLinks().rack(RACK) == ""


def test_link_keeps_the_path_of_grafana() -> None:
    assert GrafanaLinks("https://example.org/grafana").rack(RACK) == (
        "https://example.org/grafana/d/pirack-rack?var-rack=pirack"
    )


def test_grafana_option_accepts_only_a_url() -> None:
    url = "https://example.org/grafana"
    assert parse_command(controller, []).params["grafana"] == ""
    assert parse_command(controller, ["--grafana", ""]).params["grafana"] == ""
    assert parse_command(controller, ["--grafana", url]).params["grafana"] == url
    for invalid in ("master:3000", "javascript:alert(1)", "/grafana"):
        with pytest.raises(
            click.BadParameter, match="is not a valid URL such as http://master:3000"
        ):
            parse_command(controller, ["--grafana", invalid])
