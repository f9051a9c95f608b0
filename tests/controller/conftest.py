"""The controller's application, and a real server of it, over the world of a test."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.serving import make_server

from controller.app import create_app
from controller.master import Master
from tests.controller.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def app(world: World, tmp_path: Path) -> Flask:
    return create_app(world.state, Master(tmp_path, []).read, CollectorRegistry())


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
