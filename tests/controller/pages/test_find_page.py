"""Tests of *Find or do* in a browser. No rasp of this rack responds, so orders fail."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.orders.model import OrderRequest
from controller.orders.service import OrderService
from tests.controller.conftest import OpenPage
from tests.controller.http_client import BrowserSession, add_users, create_session
from tests.controller.pages.test_order_pages import HOSTILE, selected_names

pytestmark = pytest.mark.process

EXPECT_UPDATE = """() => {
  window.update = new Promise((resolve) => {
    document.addEventListener("refreshed", ({ detail }) => {
      const orders = detail.getElementById("ended-orders").content;
      if (orders.querySelector("[data-order='1']")) resolve();
    });
  });
}
"""
"""Expect an update that reports the end of order 1. The script of the page handles it before."""


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def open_dialog(page: Page) -> Locator:
    """Open the dialog by keyboard. Return its text field, which has the focus."""
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Find or do")
    expect(field).to_be_focused()
    return field


def matches(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Find or do").get_by_role("option")


def status(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Find or do").get_by_role("status")


def submitted(orders: OrderService) -> list[str]:
    return [order.request.label for order in orders.list_recent(10)]


def test_text_and_enter_open_a_rasp_without_the_mouse(open_page: OpenPage) -> None:
    page = open_page("/master")
    open_dialog(page)
    page.keyboard.type("b8:27:eb:00:00:0a")
    page.keyboard.press("Enter")  # the matches may be missing until now
    expect(page).to_have_url(re.compile("/rasps/10$"))


def test_arrow_keys_choose_a_match_and_escape_closes_the_dialog_alone(
    open_page: OpenPage, orders: OrderService
) -> None:
    orders.submit(OrderRequest("ping", "rasps", (10,)), "otto", "")
    page = open_page(who="otto")
    page.get_by_label("Select 03-2").check()
    field = open_dialog(page)
    expect(matches(page).filter(has_text="Audit log")).to_be_visible()
    page.keyboard.type("1")
    expect(matches(page)).to_have_text([re.compile(t) for t in ("Stack 01", "01-1", "Order 1: p")])
    expect(status(page)).to_have_text("3 matches")
    for key, chosen in [("ArrowDown", "01-1"), ("ArrowUp", "Stack 01"), ("ArrowUp", "Order 1")]:
        page.keyboard.press(key)
        option = page.get_by_role("dialog").get_by_role("option", selected=True)
        expect(option).to_contain_text(chosen)
        expect(field).to_have_attribute("aria-activedescendant", str(option.get_attribute("id")))
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")  # at once
    expect(field).to_have_value("")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(page.get_by_label("Select 03-2")).to_be_focused()
    assert selected_names(page) == ["03-2"]


def test_order_is_typed_and_confirmed_by_keyboard(
    open_page: OpenPage, orders: OrderService
) -> None:
    page = open_page(who="otto")
    field = open_dialog(page)
    page.keyboard.type("reb")
    expect(matches(page)).to_contain_text(["Reboot …"])
    page.keyboard.press("Enter")
    expect(field).to_have_value("reboot ")
    page.keyboard.type("3/2")
    expect(matches(page)).to_contain_text(["Reboot 03-2"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 rasp will go down")).to_be_visible()
    assert submitted(orders) == []
    page.get_by_role("button", name="Reboot").press("Enter")
    expect(page.get_by_role("heading", name="Order 1: reboot")).to_be_visible()
    assert submitted(orders) == ["reboot"]


def test_wrong_target_is_explained_and_submits_nothing(
    open_page: OpenPage, orders: OrderService
) -> None:
    page = open_page("/stacks/3", who="otto")
    open_dialog(page)
    page.keyboard.type("power off 3/2")
    expect(status(page)).to_contain_text("power is switched per stack: write 3")
    expect(matches(page)).to_have_count(0)
    page.keyboard.press("Enter")
    assert submitted(orders) == []


def test_past_has_no_actions(open_page: OpenPage, url: str) -> None:
    page = open_page("/?at=2026-01-01T12:00:00Z", who="otto")
    open_dialog(page)
    page.keyboard.type("reboot 3/2")
    expect(status(page)).to_have_text("no orders can be submitted in the past.")
    expect(matches(page)).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("at=2026-01-01"))
    page.goto(f"{url}/find?q=reboot+3/2&at=2026-01-01T12:00:00Z")
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)


def test_dialog_reports_that_the_controller_does_not_respond(open_page: OpenPage) -> None:
    page = open_page("/about")
    open_dialog(page)
    expect(matches(page)).not_to_have_count(0)
    page.context.set_offline(True)
    page.keyboard.type("3/2")
    expect(status(page)).to_have_text("The controller does not respond.")
    expect(matches(page)).to_have_count(0)
    page.context.set_offline(False)
    page.keyboard.type(" ")
    expect(matches(page)).to_have_count(1)


def test_without_javascript_a_page_finds_and_submits(
    browser: Browser, url: str, access: AccessControl, orders: OrderService
) -> None:
    page = browser.new_page(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page.context.add_cookies(
        [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
    )
    page.goto(url)
    page.get_by_role("link", name="Find").click()
    main = page.get_by_role("main")
    main.get_by_role("searchbox").fill("power cycle 03")
    main.get_by_role("button", name="Find").click()
    assert submitted(orders) == []
    main.get_by_role("button", name="Power cycle stack 03").click()
    expect(page.get_by_role("heading", name="4 rasps will go down")).to_be_visible()
    page.goto(f"{url}/find?q=rasp+hot")
    main.get_by_role("link", name="PiRackRaspVeryHot").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("PiRackRaspVeryHot")
    page.close()


def test_viewers_find_no_actions_and_no_orders(url: str, orders: OrderService) -> None:
    orders.submit(OrderRequest("ping", "rasps", (10,)), "otto", "")
    viewer, operator = BrowserSession(url), BrowserSession(url)
    viewer.log_in("vera")
    operator.log_in("otto")
    for path in ("/find", "/find/matches"):
        for text, offered in (("identify 3/2", 'value="identify"'), ("order 1", "/orders/1")):
            assert offered in operator.get(path, params={"q": text}).text
            response = viewer.get(path, params={"q": text})
            assert response.status_code == 200
            assert offered not in response.text
            assert "o matches" in response.text
    assert submitted(orders) == ["ping"]


def test_text_of_the_address_is_escaped_and_bounded(open_page: OpenPage, url: str) -> None:
    page = open_page(f"/find?q={HOSTILE}", who="otto")
    expect(page.get_by_text("no matches")).to_be_visible()
    assert page.evaluate("window.isHacked") is None
    response = BrowserSession(url).get("/find", params={"q": "x" * 5000})
    assert "x" * 100 in response.text
    assert "x" * 101 not in response.text


class TestToasts:
    """Messages that an order ended."""

    @staticmethod
    def toasts(page: Page) -> Locator:
        return page.locator("#toasts p")

    @staticmethod
    def ping(orders: OrderService) -> None:
        orders.submit(OrderRequest("ping", "rasps", (10,)), "otto", "")

    def test_order_that_ends_elsewhere_is_reported_with_a_link(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        self.ping(orders)
        page = open_page(who="otto")
        self.ping(orders)
        expect(self.toasts(page)).to_have_text([re.compile("^Order 2 ping 03-2: ")])
        self.toasts(page).hover()  # a message stays while the pointer is over it
        expect(page.locator("#toasts")).to_have_attribute("role", "status")
        self.ping(orders)
        expect(self.toasts(page)).to_have_count(2)
        self.toasts(page).first.get_by_role("button", name="Dismiss").press("Enter")
        expect(self.toasts(page)).to_have_text([re.compile("^Order 3 ")])
        self.toasts(page).hover()
        page.emulate_media(media="print")
        expect(self.toasts(page)).to_be_hidden()
        page.emulate_media(media="screen")
        self.toasts(page).get_by_role("link", name="Order 3").click()
        expect(page.get_by_role("heading", name="Order 3: ping")).to_be_visible()

    def test_order_that_the_page_shows_is_not_reported(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        page = open_page("/orders", who="otto")
        page.evaluate(EXPECT_UPDATE)
        self.ping(orders)
        page.evaluate("window.update")
        expect(page.locator("#order-1")).to_contain_text("unknown")
        assert self.toasts(page).count() == 0  # `expect` would wait until a message disappears

    def test_message_disappears_after_some_seconds(
        self, open_page: OpenPage, url: str, orders: OrderService
    ) -> None:
        page = open_page("/about", who="otto")
        page.clock.install()
        page.goto(f"{url}/master")
        self.ping(orders)
        expect(self.toasts(page)).to_have_count(1)
        page.clock.fast_forward(11_000)
        expect(self.toasts(page)).to_have_count(0)

    def test_viewers_and_pages_of_the_past_have_no_messages(
        self, url: str, orders: OrderService
    ) -> None:
        self.ping(orders)
        viewer, operator = BrowserSession(url), BrowserSession(url)
        viewer.log_in("vera")
        operator.log_in("otto")
        assert 'data-order="1"' in operator.get("/").text
        assert 'data-order="1"' not in operator.get("/?at=2026-01-01T12:00:00Z").text
        assert 'data-order="1"' not in viewer.get("/").text
