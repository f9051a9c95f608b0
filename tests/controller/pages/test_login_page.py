"""Tests of login, logout and the account page in a browser."""

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from rack.settings import Anonymous
from tests.controller.conftest import OpenPage
from tests.controller.http_client import PASSWORDS, add_user, add_users

pytestmark = pytest.mark.process

NEW_PASSWORD = "correct horse battery"


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def log_in(page: Page, name: str, password: str | None = None) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name] if password is None else password)
    page.get_by_role("button", name="Log in").click()


def expect_rack(page: Page) -> None:
    expect(page.locator(".rack a.rasp")).to_have_count(48)


def test_login_works_by_keyboard_and_shows_the_user_name(open_page: OpenPage) -> None:
    page = open_page()
    expect(page).to_have_title("Log in – PiRack")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS["otto"])
    page.keyboard.press("Enter")
    expect_rack(page)
    expect(page.get_by_role("banner").get_by_role("link", name="otto")).to_be_visible()
    expect(page.get_by_title("Your account (operator)")).to_be_visible()


def test_login_continues_to_the_requested_page(open_page: OpenPage) -> None:
    page = open_page("/rasps/10")
    log_in(page, "vera")
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_login_rejects_wrong_password_and_keeps_the_name(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "vera", "not her password")
    expect(page.get_by_role("alert").first).to_have_text("Invalid user name or password.")
    expect(page.get_by_label("User name")).to_have_value("vera")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORDS["vera"])
    page.keyboard.press("Enter")
    expect_rack(page)


def test_hostile_user_name_is_escaped(open_page: OpenPage) -> None:
    page = open_page()
    hostile = '"><script>window.isHacked = true</script>'[:32]
    log_in(page, hostile, "x")
    expect(page.get_by_label("User name")).to_have_value(hostile)
    assert page.evaluate("window.isHacked") is None


def test_logout_requires_a_new_login(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, "vera")
    expect_rack(page)
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_title("Log in – PiRack")
    page.goto(page.url.replace("/login", "/"))
    expect(page).to_have_title("Log in – PiRack")


def test_page_of_an_ended_session_redirects_to_the_login(
    open_page: OpenPage, access: AccessControl
) -> None:
    page = open_page()
    log_in(page, "vera")
    expect_rack(page)
    for cookie in page.context.cookies():
        access.sessions.delete(cookie["value"])
    expect(page).to_have_title("Log in – PiRack")
    log_in(page, "vera")
    expect_rack(page)


def test_password_change_accepts_only_equal_new_passwords(open_page: OpenPage) -> None:
    page = open_page("/account")
    log_in(page, "vera")
    expect(page.get_by_text("You can view all pages.")).to_be_visible()
    for password, repeated, message in [
        (NEW_PASSWORD, "something else", "The two new passwords differ."),
        (NEW_PASSWORD, NEW_PASSWORD, "Your password was changed."),
    ]:
        page.get_by_label("Current password").fill(PASSWORDS["vera"])
        page.get_by_label("New password", exact=True).fill(password)
        page.get_by_label("Repeat new password").fill(repeated)
        page.get_by_role("button", name="Change password").click()
        expect(page.locator("main .notice")).to_contain_text(message)
    second_page = open_page()
    log_in(second_page, "vera", NEW_PASSWORD)
    expect_rack(second_page)


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize(("scheme", "theme"), [("light", "Dark"), ("dark", "Light")])
def test_theme_overrides_the_color_scheme_of_the_browser(
    open_page: OpenPage, scheme: str, theme: str
) -> None:
    page, other = (
        open_page("/account", who="vera", scheme=each) for each in (scheme, theme.lower())
    )
    of_system, of_theme = background(page), background(other)
    assert of_system != of_theme
    # The style sheet is loaded after the text of a page.
    body = page.locator("body")
    page.get_by_role("button", name=theme).click()
    expect(page.get_by_role("button", name=theme)).to_have_attribute("aria-pressed", "true")
    expect(body).to_have_css("background-color", of_theme)
    page.get_by_role("button", name="System").click()
    expect(page.get_by_role("button", name="System")).to_have_attribute("aria-pressed", "true")
    expect(body).to_have_css("background-color", of_system)


def test_account_page_creates_a_token_and_ends_another_session(
    open_page: OpenPage, access: AccessControl
) -> None:
    other = open_page("/account", who="vera")
    page = open_page("/account", who="vera")
    form = page.get_by_role("form", name="Create a token")
    form.get_by_label("Name").fill("laptop")
    form.get_by_role("button", name="Create token").click()
    secret = page.locator("#secret").inner_text()
    token = access.tokens.authenticate(secret)
    assert token
    assert (token.name, token.role) == ("vera/laptop", Role.VIEWER)
    page.get_by_role("button", name="End the session of").click()
    expect(page.get_by_text("The session was ended.")).to_be_visible()
    other.reload()
    expect(other).to_have_title("Log in – PiRack")
    page.get_by_role("button", name="Revoke the token laptop").click()
    expect(page.get_by_text("The token was revoked.")).to_be_visible()
    assert access.tokens.all() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_width_of_a_phone(
    open_page: OpenPage, url: str, access: AccessControl, scheme: str
) -> None:
    name = "a-very-long-name-of-32-letters-x"
    add_user(access.users._database, name, Role.VIEWER, NEW_PASSWORD)
    page = open_page("/login", width=360, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    log_in(page, name, NEW_PASSWORD)
    for path in ("/account", "/"):
        page.goto(url + path)
        expect(page.get_by_role("button", name="Log out")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


class TestAnonymousAccess:
    @pytest.fixture
    def anonymous(self) -> Anonymous:
        return "viewer"

    def test_rack_page_mentions_anonymous_access_and_links_to_the_login(
        self, open_page: OpenPage
    ) -> None:
        page = open_page()
        expect(page.get_by_text("Read-only access without login.")).to_be_visible()
        page.get_by_role("banner").get_by_role("link", name="Log in").click()
        log_in(page, "otto")
        expect_rack(page)
        expect(page.get_by_text("Read-only access without login.")).to_have_count(0)


def test_wall_display_shows_the_login_after_its_session_and_returns_to_the_rack(
    open_page: OpenPage, access: AccessControl
) -> None:
    page = open_page("/?kiosk=1", who="vera")
    expect(page.locator(".kiosk .rasp")).to_have_count(48)
    [session] = access.sessions.list_of("vera")
    access.sessions.end("vera", session.id)
    expect(page).to_have_title("Log in – PiRack")
    log_in(page, "vera")
    expect(page.locator(".kiosk .rasp")).to_have_count(48)
    expect(page).to_have_url(re.compile(r"/\?kiosk=1$"))


def test_wall_display_accepts_the_token_of_a_viewer(
    client: FlaskClient, access: AccessControl
) -> None:
    token = access.tokens.add_for_user("vera", "wall", Role.VIEWER)
    headers = {"Authorization": f"Bearer {token}"}
    assert 'id="kiosk"' in client.get("/?kiosk=1", headers=headers).text
    assert client.get("/?kiosk=1").status_code == 302
