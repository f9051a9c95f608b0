"""Whole flows on the pages: a real browser, controller and Prometheus over the virtual rack."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.access import Access
from rack.database import Database
from tests.controller.room import Controller, Room, a_room
from tests.controller.test_log_in_page import log_in
from tests.controller.test_order_pages import order
from tests.controller.test_rack_page import cell
from tests.controller.visitor import add_users
from tests.waiting import until

ORDERS = """
boot_seconds = 20
shutdown_seconds = 4
settle_seconds = 0
off_seconds = 0.5
"""
PATIENCE_MS = 40_000


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with a_room(tmp_path_factory.mktemp("room"), orders=ORDERS, boot_seconds=1.0) as room:
        room.start_blackbox()
        room.start_prometheus()
        until(lambda: set(room.phases.values()) == {"up"})
        yield room


@pytest.fixture(scope="module")
def controller(room: Room) -> Controller:
    controller = room.start_controller()
    add_users(Access(Database(room.state / "pirack.db")))
    until(lambda: controller.get("rack")["states"]["up"] == len(room.phases))
    return controller


@pytest.fixture
def opened(browser: Browser, controller: Controller) -> Iterator[Callable[[str], Page]]:
    """Log a user in; what the page asked of other hosts, and its errors, fail the test."""
    amiss: list[str] = []
    pages = []

    def open_page(who: str) -> Page:
        page = browser.new_page()
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.on(
            "console",
            lambda message: amiss.append(message.text) if message.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(controller.url) else amiss.append(request.url)
            ),
        )
        pages.append(page)
        page.goto(f"{controller.url}/login")
        log_in(page, who)
        expect(page.locator(".rack a.rasp")).to_have_count(6)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert amiss == []


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text)


def test_a_stack_is_cut_and_seen_and_given_power_again(
    opened: Callable[[str], Page], room: Room
) -> None:
    page = opened("otto")
    expect(cell(page, "02-1")).to_contain_text("°C")
    page.get_by_label("Select stack 02").check()
    order(page, "power_off")
    expect(heading(page, "2 rasps will go down")).to_be_visible()
    page.get_by_role("button", name="Power off").click()
    expect(heading(page, "power off")).to_contain_text("ok", timeout=PATIENCE_MS)
    assert room.power == ["on", "off", "on"]

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Rack").click()
    expect(cell(page, "02-1")).to_contain_text("off")
    expect(page.locator(".stack-2")).to_contain_text("power off")
    expect(cell(page, "03-1")).to_contain_text("°C")

    page.get_by_label("Select stack 02").check()
    order(page, "power_on")
    expect(heading(page, "power on")).to_contain_text("ok", timeout=PATIENCE_MS)
    page.get_by_role("link", name="02-1").click()
    expect(page.get_by_role("main")).to_contain_text("power on ok")
    alias = page.get_by_role("rowheader", name="cpu_temperature_celsius")
    expect(alias).to_be_visible(timeout=PATIENCE_MS)


def test_an_order_is_followed_live_and_cancelled(opened: Callable[[str], Page], room: Room) -> None:
    room.put_on("3", "dead")
    try:
        page = opened("otto")
        page.goto(page.url + "stacks/3")
        page.get_by_label("This stack").select_option("power_cycle")
        page.get_by_role("button", name="Order").click()
        page.get_by_label("Cut the power at once").check()
        page.get_by_role("button", name="Power cycle").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(heading(page, "power cycle")).to_contain_text("cancelled", timeout=PATIENCE_MS)
    finally:
        room.take_off("3")
    until(lambda: set(room.phases.values()) == {"up"})


def test_what_an_action_prints_and_what_was_read_is_shown(opened: Callable[[str], Page]) -> None:
    page = opened("otto")
    page.get_by_label("Select 01-1").check()
    order(page, "read:cpu_temperature_celsius")
    expect(heading(page, "read cpu_temperature_celsius")).to_contain_text("ok")
    expect(page.locator("#rasp-1 b")).to_have_text(re.compile(r"\d\d"))
    page.get_by_role("link", name="PiRack").click()
    page.get_by_label("Select 01-2").check()
    order(page, "uptime")
    expect(heading(page, "uptime")).to_contain_text("ok", timeout=PATIENCE_MS)
    expect(page.locator("pre")).to_contain_text("load average")


def test_an_order_that_fails_half_way_says_where_and_is_tried_again(
    opened: Callable[[str], Page], room: Room
) -> None:
    room.put_on("1/2", "dead")
    until(lambda: room.answers(1) == [True, False])
    try:
        page = opened("otto")
        page.goto(page.url + "stacks/1")
        page.get_by_label("This stack").select_option("uptime")
        page.get_by_role("button", name="Order").click()
        expect(page.get_by_text("It failed on 01-2.")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("#rasp-1")).to_contain_text("ok")
    finally:
        room.take_off("1/2")
    until(lambda: room.answers(1) == [True, True])
    page.get_by_role("button", name="Try again where it failed").click()
    expect(page.locator(".results tbody tr")).to_have_count(1)
    expect(heading(page, "uptime")).to_contain_text("ok", timeout=PATIENCE_MS)


def test_a_rasps_history_is_drawn_and_told_in_words(opened: Callable[[str], Page]) -> None:
    page = opened("vera")
    page.goto(page.url + "rasps/1")
    chart = page.get_by_role("img", name="Temperature in °C: 01-1")
    expect(chart).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("img", name="State of 01-1")).to_be_visible()
    page.get_by_role("link", name="7d").click()
    expect(page.get_by_role("link", name="7d")).to_have_attribute("aria-current", "true")
