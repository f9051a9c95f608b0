"""The controller's application, and a real server of it, over the world of a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, ConsoleMessage, Page
from prometheus_client import CollectorRegistry
from werkzeug.serving import make_server

from controller.access import COOKIE, Access
from controller.alerts.desk import AlertDesk
from controller.alerts.told import Told
from controller.app import create_app
from controller.installation.installation import Installation
from controller.master import Master
from controller.orders.orders import Orders
from controller.parts import Parts
from controller.prometheus import Prometheus
from controller.records import Records
from rack.database import Database
from rack.layout import Anonymous
from tests.controller.visitor import session_of
from tests.controller.world import RACK, World, desk_of, installation_of, orders_of

Open = Callable[..., Page]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def anonymous() -> Anonymous:
    """What those may do who have not logged in; a test of logging in says otherwise."""
    return "viewer"


@pytest.fixture
def access(tmp_path: Path, anonymous: Anonymous) -> Access:
    return Access(Database(tmp_path / "pirack.db"), anonymous=anonymous)


@pytest.fixture
def orders(world: World, tmp_path: Path, access: Access) -> Iterator[Orders]:
    orders = orders_of(access, world, tmp_path, CollectorRegistry())
    orders.start()
    yield orders
    orders.close()


@pytest.fixture
def installation(tmp_path: Path, access: Access) -> Iterator[Installation]:
    installation = installation_of(access, tmp_path)
    yield installation
    installation.close()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def desk(told: Told) -> Iterator[AlertDesk]:
    desk = desk_of(told)
    desk.webhook.start()
    yield desk
    desk.webhook.close()


@pytest.fixture
def prometheus() -> str:
    """Where the pages look for aliases and histories: nobody is there, unless a test says so."""
    return "http://127.0.0.1:1"


@pytest.fixture
def app(
    world: World,
    tmp_path: Path,
    access: Access,
    orders: Orders,
    installation: Installation,
    desk: AlertDesk,
    prometheus: str,
) -> Flask:
    return create_app(
        Parts(
            state=world.state,
            master=Master(tmp_path, []).read,
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            installation=installation,
            alerts=desk,
            records=Records(RACK.name, Prometheus(prometheus)),
        )
    )


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def opened(browser: Browser, url: str, access: Access) -> Iterator[Open]:
    """Open a page, as one of the users if need be.

    What it asked of other hosts, and its errors, fail the test at its end.
    """
    strangers: list[str] = []
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # The browser itself logs a request that failed: tests that stop the server see these.
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
                [{"name": COOKIE, "value": session_of(access, who), "url": url}]
            )
        page.on("console", listen)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(url) else strangers.append(request.url),
        )
        page.goto(url + path)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert strangers == []
    assert errors == []
