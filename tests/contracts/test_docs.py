"""Tests that the documentation is complete and correct."""

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from controller import health, power_metrics
from controller.alerts.received import ReceivedAlerts
from controller.app import create_app
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.claims import StackClaims
from controller.dependencies import Dependencies
from controller.experiments.metrics import ExperimentMetrics
from controller.installation import metrics as installation_metrics
from controller.installation.service import InstallService
from controller.master import metrics
from controller.master.info import MasterInfo
from controller.master.readings import MasterReadings
from controller.orders.metrics import OrderMetrics
from controller.orders.service import OrderService
from controller.outlet_monitor import OutletMonitor
from controller.reservations.metrics import ReservationCollector
from controller.state.history import RaspHistory
from controller.state.prometheus import Prometheus
from controller.state.reader import RackStateReader
from exporter import aliases
from rack.database import Database
from rack.inventory import Inventory
from rack.power.outlets import Outlets
from rack.settings import markdown_rows
from tests.controller.fakes import (
    RACK,
    FakeRackState,
    alert_service_for,
    doctor_for,
    experiment_service_for,
    install_service_for,
    order_service_for,
    reservation_service_for,
)
from tests.helpers.plugs import SOURCE, Plug, PlugDriver, plug_rack
from virtual_rack.faults import Fault

PAGES = [*Path("docs").glob("**/*.md"), *map(Path, ("README.md", "CONTRIBUTING.md"))]


def read_page(name: str) -> str:
    return (Path("docs") / name).read_text(encoding="utf-8")


def first_cells(markdown: str) -> set[str]:
    """Return the code spans in the first column of the tables of a page."""
    rows = re.findall(r"^\| (`[^|]*) \|", markdown, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]*)`", row)}


@pytest.fixture
def rack_state() -> FakeRackState:
    state = FakeRackState(RACK)
    state.temperatures = {"03-2": 48.3}
    return state


@pytest.fixture
def access(tmp_path: Path) -> AccessControl:
    return AccessControl(Database(tmp_path / "pirack.db"), anonymous="viewer")


@pytest.fixture
def orders(rack_state: FakeRackState, access: AccessControl, tmp_path: Path) -> OrderService:
    """Return an order service that is not started."""
    return order_service_for(access, rack_state, tmp_path, CollectorRegistry())


@pytest.fixture
def installation(access: AccessControl, tmp_path: Path) -> Iterator[InstallService]:
    installation = install_service_for(access, tmp_path)
    yield installation
    installation.close()


@pytest.fixture
def app(
    tmp_path: Path,
    rack_state: FakeRackState,
    access: AccessControl,
    orders: OrderService,
    installation: InstallService,
) -> Flask:
    reservations = reservation_service_for(access, tmp_path)
    return create_app(
        Dependencies(
            state=rack_state.read,
            master=MasterInfo(tmp_path, []).read,
            doctor=doctor_for(),
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            reservations=reservations,
            experiments=experiment_service_for(orders, reservations, tmp_path, rack_state.read),
            installation=installation,
            alerts=alert_service_for(ReceivedAlerts(), rack_state.read),
            history=RaspHistory(RACK.name, Prometheus("http://127.0.0.1:1")),
        )
    )


def controller_metrics(folder: Path) -> set[str]:
    registry = CollectorRegistry()
    database = Database(folder / "pirack.db")
    inventory = Inventory(database)
    health.register_metrics(registry, RACK, inventory)
    metrics.register_metrics(registry, folder, lambda: True)
    rack = plug_rack([{"outlet": f"{SOURCE}:a"}])  # relays measure no power
    driver = PlugDriver({"a": Plug(watts=3.0)})
    outlets = Outlets(rack, Database(folder / "plugs.db"), drivers={SOURCE: driver})
    monitor = OutletMonitor(rack, outlets)
    monitor.read(SOURCE)
    power_metrics.register_metrics(
        registry, rack, outlets, monitor, claims=StackClaims(), gpio_persists=True
    )
    OrderMetrics(registry, ["ping"])
    ExperimentMetrics(registry, RACK, dict)
    access = AccessControl(database)
    registry.register(ReservationCollector(reservation_service_for(access, folder)))
    installation_metrics.register_metrics(registry, install_service_for(access, folder))
    RackStateReader(RACK, inventory, Prometheus("http://127.0.0.1:1"), registry)
    names = {sample.name for family in registry.collect() for sample in family.samples}
    # Some machines lack the sensors that a master has.
    names |= {f"pirack_master_{field.name}" for field in fields(MasterReadings)}
    return {name for name in names if re.fullmatch(r"pirack_.*(?<!_created)", name)}


def test_documented_metrics_are_the_existing_metrics(tmp_path: Path) -> None:
    rasp_metrics = {alias.metric for alias in aliases.load(aliases.DEFAULT_PATH).metrics}
    recorded_metrics = {
        name
        for path in Path("prometheus/rules").glob("*.yml")
        for name in re.findall(r"record: (\S+)", path.read_text(encoding="utf-8"))
    }
    assert first_cells(read_page("reference/metrics.md")) == (
        rasp_metrics | set(aliases.SELF_METRICS) | controller_metrics(tmp_path) | recorded_metrics
    )


def test_table_of_settings_is_generated_from_their_models() -> None:
    [table] = re.findall(
        r"<!-- settings:.* -->\n.*\n.*\n((?:.|\n)*)\n<!-- end of settings -->",
        read_page("reference/rack-toml.md"),
    )
    assert table.splitlines() == list(markdown_rows())


def test_documented_faults_are_the_existing_faults() -> None:
    assert first_cells(read_page("reference/virtual-rack.md")) == set(Fault)


def test_every_path_of_the_controller_is_documented(app: Flask) -> None:
    documented = read_page("reference/api.md")
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            path = re.sub(r"<[^>]*>", r"[^/\\s`]+", rule.rule)
            assert re.search(rf"{path}\b|{path}`", documented), rule


def test_every_status_of_the_openapi_document_is_documented(app: Flask) -> None:
    document: Any = app.test_client().get("/api/v1.0/openapi.json").json
    statuses = {
        status
        for methods in document["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
    }
    errors = {status for status in statuses if status >= "400"}
    assert errors <= set(re.findall(r"^\| (\d{3}) \|", read_page("reference/api.md"), re.MULTILINE))
    assert statuses - errors == {"200", "202", "304"}
    assert " 304." in read_page("reference/api.md")
    assert " 202," in read_page("reference/api.md")


CURL = argparse.ArgumentParser()
CURL.add_argument("-s", action="store_true")
CURL.add_argument("-X", dest="method")
CURL.add_argument("--json", type=json.loads)
CURL.add_argument("url")


def examples() -> Iterator[Any]:
    for request, answer in re.findall(
        r"^\$ curl (.+)\n((?:.|\n)*?)```", read_page("reference/api.md"), re.MULTILINE
    ):
        options = CURL.parse_args(shlex.split(request))
        yield pytest.param(options, json.loads(answer), id=urlsplit(options.url).path)


def matches(expected: Any, actual: Any) -> bool:
    """Return whether a response matches an example. In the example, "…" matches any text."""
    match expected:
        case "…":
            return True
        case dict():
            names = expected.keys() - {"…"}
            return (names == actual.keys() or (names < actual.keys() and "…" in expected)) and all(
                matches(expected[name], actual[name]) for name in names
            )
        case [*all_but_last, "…"]:
            return len(actual) >= len(all_but_last) and all(map(matches, all_but_last, actual))
        case [*elements]:
            return len(actual) == len(elements) and all(map(matches, elements, actual))
        case _:
            return bool(expected == actual)


@pytest.mark.parametrize(("request_", "answer"), list(examples()))
def test_api_example_returns_the_documented_response(
    app: Flask,
    orders: OrderService,
    access: AccessControl,
    request_: argparse.Namespace,
    answer: Any,
) -> None:
    orders.start()
    url = urlsplit(request_.url)
    method = request_.method or ("POST" if request_.json else "GET")
    response = app.test_client().open(
        f"{url.path}?{url.query}",
        method=method,
        json=request_.json,
        headers={"Authorization": f"Bearer {access.tokens.add('demo', Role.OPERATOR)}"},
    )
    orders.close()
    assert matches(answer, response.json), response.json


def test_every_field_of_the_master_is_documented(app: Flask) -> None:
    master = app.test_client().get("/api/v1.0/master").json
    assert master is not None
    for name in master:
        assert f"`{name}`" in read_page("reference/api.md")


def slug(heading: str) -> str:
    """Return the anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_between_pages_are_valid(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked_page = (page.parent / path) if path else page
        assert linked_page.exists(), target
        if anchor:
            headings = re.findall(
                r"^#+ (.+)$", linked_page.read_text(encoding="utf-8"), re.MULTILINE
            )
            assert anchor in map(slug, headings), target


def test_make_targets_of_the_readme_exist() -> None:
    readme, makefile = Path("README.md").read_text(), Path("Makefile").read_text()
    for target in re.findall(r"^make (\w+)", readme, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
