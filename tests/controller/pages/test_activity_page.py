"""Tests of the page of the activity in a browser."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.orders.model import OrderRequest, OrderState
from controller.orders.service import OrderService
from tests.controller.conftest import OpenPage
from tests.controller.http_client import add_users, create_session
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def run_order(orders: OrderService, action: str, *stacks: int) -> None:
    request = OrderRequest(action, "stacks", stacks, force=True)
    number = orders.submit(request, "otto", "").id
    wait_until(lambda: orders.get(number).state is OrderState.DONE)


def rows(page: Page) -> Locator:
    return page.locator("main > .events > li")


def test_order_is_folded_with_what_it_changed(open_page: OpenPage, orders: OrderService) -> None:
    run_order(orders, "power_off", 3, 5)
    page = open_page("/activity", who="otto")
    expect(rows(page)).to_have_count(1)
    group = rows(page).first
    expect(group.get_by_role("group")).to_contain_text("order 1: power off (force)")
    expect(group.get_by_role("group")).to_contain_text("2 stacks off")
    edge = page.get_by_role("link", name="stack 03 off")
    expect(edge).to_be_hidden()
    group.locator("summary").press("Enter")
    expect(edge).to_be_visible()
    run_order(orders, "power_off", 7)
    expect(rows(page)).to_have_count(2)
    expect(edge).to_be_visible()  # an update keeps the group open
    edge.click()
    expect(page.get_by_role("heading", name="Stack 03")).to_be_visible()


def test_filters_apply_while_typing_and_are_in_the_address(
    open_page: OpenPage, orders: OrderService
) -> None:
    run_order(orders, "power_off", 3)
    run_order(orders, "power_off", 5)
    page = open_page("/activity", who="otto")
    page.get_by_role("checkbox", name="power").check()
    expect(page.get_by_role("link", name="stack 05 off")).to_be_visible()
    page.get_by_label("Rasps or stacks").fill("3/2")
    expect(page.get_by_role("link", name="stack 05 off")).to_have_count(0)
    expect(page.get_by_role("link", name="stack 03 off")).to_be_visible()
    page.reload()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("checkbox", name="power")).to_be_checked()
    page.get_by_label("Rasps or stacks").fill("99")
    expect(page.get_by_role("alert")).to_contain_text("no stack 99")


def test_viewer_sees_power_and_which_kinds_are_missing(
    open_page: OpenPage, orders: OrderService
) -> None:
    run_order(orders, "power_off", 3)
    page = open_page("/activity", who="vera")
    expect(page.get_by_role("link", name="stack 03 off")).to_be_visible()
    expect(page.get_by_role("main")).not_to_contain_text("otto")
    expect(page.get_by_role("main")).not_to_contain_text("power off (force)")
    notices = page.get_by_role("status")
    expect(notices.filter(has_text="login")).to_contain_text("Only operators see these events.")
    expect(notices.filter(has_text="state")).to_contain_text("cannot be reached")
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)


def test_without_javascript_filters_pages_and_groups_work(
    browser: Browser, url: str, access: AccessControl, orders: OrderService
) -> None:
    run_order(orders, "power_off", 3)
    page = browser.new_page(java_script_enabled=False)
    page.context.add_cookies(
        [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
    )
    page.goto(f"{url}/activity")
    page.locator("summary").click()
    expect(page.get_by_role("link", name="stack 03 off")).to_be_visible()
    page.get_by_role("checkbox", name="login").check()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No matching events.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_text("No events from")).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(rows(page)).to_have_count(1)
    page.close()


def test_orders_and_the_audit_log_are_reachable(open_page: OpenPage) -> None:
    page = open_page("/activity", who="otto")
    views = page.get_by_role("navigation", name="View")
    views.get_by_role("link", name="Orders").click()
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    main_nav = page.get_by_role("navigation", name="Main")
    expect(main_nav.get_by_role("link", name="Activity")).to_have_attribute("aria-current", "page")
    views.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    views.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()


def test_page_fits_on_a_phone(open_page: OpenPage, orders: OrderService) -> None:
    run_order(orders, "power_off", 3)
    page = open_page("/activity", who="otto", width=360)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
