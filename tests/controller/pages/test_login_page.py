"""Logging in and out in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from controller.auth.access_control import AccessControl
from rack.layout import Anonymous
from tests.controller.conftest import OpenPage
from tests.controller.http_client import PASSWORDS, add_users

NEW_PASSWORD = "correct horse battery"


@pytest.fixture
def anonymous() -> Anonymous:
    return "nobody"


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def log_in(page: Page, name: str, password: str | None = None) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name] if password is None else password)
    page.get_by_role("button", name="Log in").click()


def expect_rack(page: Page) -> None:
    expect(page.locator(".rack a.rasp")).to_have_count(48)


def test_somebody_logs_in_by_keyboard_alone_and_is_greeted_by_name(open_page: OpenPage) -> None:
    page = open_page()
    expect(page).to_have_title("Log in – PiRack")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS["otto"])
    page.keyboard.press("Enter")
    expect_rack(page)
    expect(page.get_by_role("banner").get_by_role("link", name="otto")).to_be_visible()
    expect(page.get_by_title("Your account, as operator")).to_be_visible()


def test_who_wanted_a_page_gets_to_it(open_page: OpenPage) -> None:
    page = open_page("/rasps/10")
    log_in(page, "vera")
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_a_wrong_password_is_told_and_the_name_need_not_be_typed_again(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "vera", "not her password")
    expect(page.get_by_role("alert").first).to_have_text(
        "There is no such user, or the password is another."
    )
    expect(page.get_by_label("Name")).to_have_value("vera")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORDS["vera"])
    page.keyboard.press("Enter")
    expect_rack(page)


def test_a_hostile_name_is_shown_as_it_was_typed(open_page: OpenPage) -> None:
    page = open_page()
    hostile = '"><script>window.isHacked = true</script>'[:32]
    log_in(page, hostile, "x")
    expect(page.get_by_label("Name")).to_have_value(hostile)
    assert page.evaluate("window.isHacked") is None


def test_who_logs_out_has_to_log_in_again(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "vera")
    expect_rack(page)
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_title("Log in – PiRack")
    page.goto(page.url.replace("/login", "/"))
    expect(page).to_have_title("Log in – PiRack")


def test_a_page_whose_session_has_ended_elsewhere_asks_to_log_in_again(
    open_page: OpenPage, access: AccessControl
) -> None:
    page = open_page()
    log_in(page, "vera")
    expect_rack(page)
    for cookie in page.context.cookies():
        access.sessions.delete(cookie["value"])
    expect(page).to_have_title("Log in – PiRack", timeout=10_000)
    log_in(page, "vera")
    expect_rack(page)


def test_a_password_is_changed_and_a_mistake_told(open_page: OpenPage) -> None:
    page = open_page("/account")
    log_in(page, "vera")
    expect(page.get_by_text("a viewer: you may look")).to_be_visible()
    for new, again, told in [
        (NEW_PASSWORD, "something else", "The two new passwords differ."),
        (NEW_PASSWORD, NEW_PASSWORD, "Your password is changed."),
    ]:
        page.get_by_label("Present password").fill(PASSWORDS["vera"])
        page.get_by_label("New password", exact=True).fill(new)
        page.get_by_label("New password, once more").fill(again)
        page.get_by_role("button", name="Change password").click()
        expect(page.locator("main .notice")).to_contain_text(told)
    elsewhere = open_page()
    log_in(elsewhere, "vera", NEW_PASSWORD)
    expect_rack(elsewhere)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/login", "/account", "/"])
def test_on_a_phone_each_page_is_as_wide_as_the_phone(
    open_page: OpenPage, access: AccessControl, path: str, scheme: str
) -> None:
    access.users.add("a-very-long-name-of-32-letters-x", access.users.all()[0].role, NEW_PASSWORD)
    page = open_page(path, width=360, scheme=scheme)
    if path != "/login":
        log_in(page, "a-very-long-name-of-32-letters-x", NEW_PASSWORD)
        expect(page.get_by_role("button", name="Log out")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


class TestWhereEverybodyMayLook:
    @pytest.fixture
    def anonymous(self) -> Anonymous:
        return "viewer"

    def test_the_first_page_says_so_and_leads_to_the_log_in_and_back(
        self, open_page: OpenPage
    ) -> None:
        page = open_page()
        expect(page.get_by_text("Everybody who reaches this page may look.")).to_be_visible()
        page.get_by_role("banner").get_by_role("link", name="Log in").click()
        log_in(page, "otto")
        expect_rack(page)
        expect(page.get_by_text("Everybody who reaches this page may look.")).to_have_count(0)
