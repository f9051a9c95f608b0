"""Tests of the charts of a stack in a browser: values by pointer, by keyboard and as titles."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Locator, Page, expect

from tests.controller.conftest import OpenPage
from tests.controller.state.test_prometheus import http_server_returning

pytestmark = pytest.mark.process

STEP = 30


@pytest.fixture
def prometheus() -> Iterator[str]:
    """URL of a Prometheus whose data begin 20 minutes ago. 03-2 gets hotter and is then down."""
    end = time.time() // STEP * STEP
    times = [end - 1200 + STEP * i for i in range(41)]
    series = {
        ("temperature", "1"): [(each, 40) for each in times],
        ("temperature", "2"): [(each, 40 + i) for i, each in enumerate(times) if i < 21],
        ("state", "2"): [(each, int(i < 21)) for i, each in enumerate(times)],
    }
    result = [
        {
            "metric": {"quantity": quantity, "slot": slot},
            "values": [[at, str(value)] for at, value in points],
        }
        for (quantity, slot), points in series.items()
    ]
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    with http_server_returning(200, json.dumps(body).encode()) as url:
        yield url


def chart(page: Page, name: str) -> Locator:
    return page.get_by_role("img", name=name)


def reading(page: Page) -> Locator:
    return page.locator(".chart-reading")


def point_at(page: Page, plot: Locator, fraction: float) -> None:
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + fraction * box["width"], box["y"] + box["height"] / 2)


def test_pointer_shows_the_values_of_a_chart_at_a_time_in_all_charts(open_page: OpenPage) -> None:
    page = open_page("/stacks/3")
    point_at(page, chart(page, "Temperature in °C"), 0.25)
    expect(reading(page)).to_contain_text("03-1 40 °C")
    expect(reading(page)).to_contain_text("03-2 50 °C")
    expect(page.locator(".crosshair")).to_have_count(page.locator(".charts svg[role=img]").count())
    point_at(page, chart(page, "Temperature in °C"), 0.75)
    expect(reading(page)).to_contain_text("03-2 no data")
    point_at(page, chart(page, "State of 03-2"), 0.75)
    expect(reading(page)).to_contain_text("03-2 down")
    page.mouse.move(1, 1)
    expect(reading(page)).to_be_hidden()


def test_arrow_keys_choose_the_time_and_the_chart(open_page: OpenPage) -> None:
    page = open_page("/stacks/3")
    expect(page.locator(".charts svg[tabindex='0']")).to_have_count(1)
    chart(page, "Temperature in °C").focus()
    expect(reading(page)).to_contain_text("03-1 40 °C")
    page.keyboard.press("Home")
    expect(reading(page)).to_contain_text("03-2 40 °C")
    page.keyboard.press("ArrowRight")
    expect(reading(page)).to_contain_text("03-2 41 °C")
    page.keyboard.press("ArrowDown")
    expect(chart(page, "CPU in busy cores")).to_be_focused()
    page.keyboard.press("Escape")
    expect(reading(page)).to_be_hidden()


def test_reading_survives_a_refresh(open_page: OpenPage) -> None:
    page = open_page("/stacks/3")
    chart(page, "Temperature in °C").focus()
    page.keyboard.press("Home")
    with page.expect_response(lambda response: response.url.endswith("/stacks/3")):
        pass
    page.keyboard.press("ArrowRight")
    expect(reading(page)).to_contain_text("03-2 4")
    expect(page.locator(".chart-reading")).to_have_count(1)


def test_chart_of_a_short_history_begins_with_its_data_and_has_titles(client: FlaskClient) -> None:
    page = client.get("/stacks/3").text
    data = page.split('<div class="charts"')[1].split(">")[0]
    start, end = (float(data.split(f'data-{name}="')[1].split('"')[0]) for name in ("start", "end"))
    assert 1170 <= end - start <= 1260
    assert "<title>03-2: 40 to 60 °C</title>" in page
    assert re.search(r"<title>down for (9 min 30 s|10 min)</title>", page)
    assert 'href="/stacks/3?range=15m"' in page
