"""Tests of the cache of rendered pages."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, g, request
from flask.testing import FlaskClient
from jinja2 import DictLoader

from controller.auth.access_control import Actor
from controller.auth.roles import Role
from controller.web.page_cache import PageCache
from tests.helpers.fake_clock import FakeClock


class CachedPage:
    """An application with one page, which a test changes. Each rendering calls `render`."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = PageCache(max_age=5.0, clock=self.clock)
        self.values: dict[str, Any] = {"rasps": ["up"], "color": None}
        self.theme = "light"
        self.time_text = "just now"
        self.renderings = 0
        self.app = Flask(__name__)
        self.app.jinja_env.loader = DictLoader(
            {"page.html": "{{ rendered() }}{{ rasps }} {{ theme }} {{ request.full_path }}"}
        )
        self.app.jinja_env.globals["rendered"] = self._rendered
        self.app.context_processor(lambda: {"theme": self.theme})
        self.app.before_request(self._identify)
        self.app.add_url_rule("/", view_func=self._view)
        self.app.add_url_rule("/other", view_func=self._view, endpoint="other")

    def _rendered(self) -> str:
        self.renderings += 1
        return self.time_text

    def _identify(self) -> None:
        name = request.headers.get("X-Actor", "vera")
        g.actor = Actor(name, Role.VIEWER, f"session of {name}")

    def _view(self) -> Response:
        return self.cache.render_page("page.html", **self.values)


@pytest.fixture
def page() -> CachedPage:
    return CachedPage()


@pytest.fixture
def client(page: CachedPage) -> Iterator[FlaskClient]:
    with page.app.test_client() as client:
        yield client


def test_page_with_equal_values_is_rendered_once(page: CachedPage, client: FlaskClient) -> None:
    first = client.get("/")
    page.values = {"rasps": ["up"], "color": None}
    assert client.get("/").data == first.data
    unchanged = client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["ETag"] == first.headers["ETag"]
    assert page.renderings == 1


@pytest.mark.parametrize("values", [{"rasps": ["down"]}, {"rasps": []}, {"rasps": ["up", "up"]}])
def test_page_with_another_value_is_rendered_again(
    page: CachedPage, client: FlaskClient, values: dict[str, Any]
) -> None:
    etag = client.get("/").headers["ETag"]
    page.values |= values
    changed = client.get("/", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert str(values["rasps"]) in changed.get_data(as_text=True).replace("&#39;", "'")
    assert changed.headers["ETag"] != etag
    page.values["rasps"] = ["up"]
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 304


def test_value_of_a_context_processor_renders_the_page_again(
    page: CachedPage, client: FlaskClient
) -> None:
    etag = client.get("/").headers["ETag"]
    page.theme = "dark"
    changed = client.get("/", headers={"If-None-Match": etag})
    assert (changed.status_code, "dark" in changed.text) == (200, True)


def test_addresses_users_and_updates_have_pages_of_their_own(
    page: CachedPage, client: FlaskClient
) -> None:
    requests: list[dict[str, Any]] = [
        {"path": "/"},
        {"path": "/?color=cpu"},
        {"path": "/other"},
        {"path": "/", "headers": {"X-Actor": "otto"}},
        {"path": "/", "headers": {"Prefer": "return=minimal"}},
        {"path": "/", "base_url": "http://localhost/rack"},
    ]
    for _ in range(2):
        for each in requests:
            client.get(**each)
    assert page.renderings == len(requests)
    assert "?color=cpu" in client.get("/?color=cpu").text


def test_old_page_is_rendered_again_because_times_in_it_change(
    page: CachedPage, client: FlaskClient
) -> None:
    etag = client.get("/").headers["ETag"]
    page.clock.now = 4.9
    client.get("/")
    assert page.renderings == 1
    page.clock.now = 5.0
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 304
    assert page.renderings == 2
    page.clock.now, page.time_text = 10.0, "1 min ago"
    changed = client.get("/", headers={"If-None-Match": etag})
    assert (changed.status_code, "1 min ago" in changed.text) == (200, True)
