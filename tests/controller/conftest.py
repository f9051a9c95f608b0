"""Application of the controller with a fake rack state, and an HTTP server for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, ConsoleMessage, Page
from prometheus_client import CollectorRegistry

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.received import ReceivedAlerts
from controller.alerts.service import AlertService
from controller.app import create_app
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.dependencies import Dependencies
from controller.installation.service import InstallService
from controller.master.info import MasterInfo
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService
from controller.state.history import RaspHistory
from controller.state.prometheus import Prometheus
from rack.database import Database
from rack.settings import Anonymous
from tests.controller.compiled_templates import COMPILED_TEMPLATES
from tests.controller.fake_alertmanager import AlertJson, alertmanager_with
from tests.controller.fakes import (
    LOOPBACK_RACK,
    RACK,
    FakeRackState,
    alert_service_for,
    doctor_for,
    experiment_service_for,
    install_service_for,
    order_service_for,
    reservation_service_for,
)
from tests.controller.http_client import create_session
from tests.controller.running_server import running_server
from tests.helpers.waiting import TIMEOUT_SECONDS

OpenPage = Callable[..., Page]


@pytest.fixture
def rack_state() -> FakeRackState:
    return FakeRackState(LOOPBACK_RACK)


@pytest.fixture
def anonymous() -> Anonymous:
    """Role of anonymous requests. Some tests override it."""
    return "viewer"


@pytest.fixture
def access(tmp_path: Path, anonymous: Anonymous) -> AccessControl:
    return AccessControl(Database(tmp_path / "pirack.db"), anonymous=anonymous)


@pytest.fixture
def orders(
    rack_state: FakeRackState, tmp_path: Path, access: AccessControl
) -> Iterator[OrderService]:
    orders = order_service_for(access, rack_state, tmp_path, CollectorRegistry())
    orders.start()
    yield orders
    orders.close()


@pytest.fixture
def reservations(access: AccessControl, tmp_path: Path) -> ReservationService:
    return reservation_service_for(access, tmp_path)


@pytest.fixture
def installation(tmp_path: Path, access: AccessControl) -> Iterator[InstallService]:
    installation = install_service_for(access, tmp_path)
    yield installation
    installation.close()


@pytest.fixture
def received_alerts() -> ReceivedAlerts:
    return ReceivedAlerts()


@pytest.fixture(scope="session")
def listed_alerts() -> list[AlertJson]:
    """Alerts of the only Alertmanager of all tests."""
    return []


@pytest.fixture(scope="session")
def alertmanager(listed_alerts: list[AlertJson]) -> Iterator[Alertmanager]:
    with alertmanager_with(listed_alerts) as alertmanager:
        yield alertmanager


@pytest.fixture
def active_alerts(listed_alerts: list[AlertJson]) -> Iterator[list[AlertJson]]:
    """Active alerts that Alertmanager returns. Tests may add some."""
    yield listed_alerts
    listed_alerts.clear()


@pytest.fixture
def alert_service(
    received_alerts: ReceivedAlerts, alertmanager: Alertmanager, rack_state: FakeRackState
) -> Iterator[AlertService]:
    service = alert_service_for(received_alerts, rack_state.read, alertmanager)
    service.webhook.start()
    yield service
    service.webhook.close()


@pytest.fixture
def prometheus() -> str:
    """URL of Prometheus. By default nothing listens there."""
    return "http://127.0.0.1:1"


@pytest.fixture
def app(
    rack_state: FakeRackState,
    tmp_path: Path,
    access: AccessControl,
    orders: OrderService,
    reservations: ReservationService,
    installation: InstallService,
    alert_service: AlertService,
    prometheus: str,
) -> Flask:
    return create_app(
        Dependencies(
            state=rack_state.read,
            master=MasterInfo(tmp_path, [], root=tmp_path).read,
            doctor=doctor_for(rack_state.findings),
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            reservations=reservations,
            experiments=experiment_service_for(
                orders, reservations, tmp_path, rack_state.read, prometheus
            ),
            installation=installation,
            alerts=alert_service,
            # Fakes of Prometheus run in this process, and respond late on a busy machine.
            history=RaspHistory(RACK.name, Prometheus(prometheus, timeout=TIMEOUT_SECONDS)),
        ),
        COMPILED_TEMPLATES,
    )


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """URL of the application, on the server of the controller."""
    with running_server(app) as url:
        yield url


@pytest.fixture
def open_page(browser: Browser, url: str, access: AccessControl) -> Iterator[OpenPage]:
    """Open pages, optionally as a user.

    The test fails if a page requests other hosts or logs errors.
    """
    foreign_requests: list[str] = []
    errors: list[str] = []

    def collect_error(message: ConsoleMessage) -> None:
        # The browser logs failed requests, for example after a test stops the server.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    pages = []

    def open_page(
        path: str = "/", *, width: int = 1280, scheme: str = "light", who: str = ""
    ) -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        if who:
            page.context.add_cookies(
                [{"name": SESSION_COOKIE, "value": create_session(access, who), "url": url}]
            )
        page.on("console", collect_error)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(url) else foreign_requests.append(request.url)
            ),
        )
        page.goto(url + path)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert foreign_requests == []
    assert errors == []
