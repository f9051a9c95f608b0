"""Tests of the account page over HTTP: sessions, API tokens and theme of a user."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from controller.audit import AuditEvent
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.auth.sessions import session_id
from controller.auth.tokens import MAX_TOKENS_PER_USER, user_of_actor
from controller.pages.theme import THEME_COOKIE
from controller.pages.user_agent import describe_user_agent
from rack.settings import Anonymous
from tests.controller.http_client import BrowserSession, add_users
from tests.helpers.existing_files import read_existing

pytestmark = pytest.mark.slow

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
READ, WRITE = "/api/v1.0/rasps", "/api/v1.0/rasps/execute"


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture
def log_in(url: str, access: AccessControl) -> Callable[..., BrowserSession]:
    """Return a function that logs a user in, each time in another browser."""
    add_users(access)

    def log_in(name: str, user_agent: str = FIREFOX) -> BrowserSession:
        browser = BrowserSession(url, {"User-Agent": user_agent})
        assert browser.log_in(name).status_code == 303
        return browser

    return log_in


def post(browser: BrowserSession, path: str, **fields: str) -> requests.Response:
    fields["csrf_token"] = browser.csrf_token("/account")
    return browser.post(f"/account/{path}", data=fields)


def secret_of(browser: BrowserSession) -> str:
    return str(browser.session.cookies["pirack_session"])


def create_token(browser: BrowserSession, role: str = "viewer", name: str = "ci") -> str:
    """Create a token on the account page. Return the secret that the page shows."""
    response = post(browser, "tokens", token=name, role=role, days="30")
    assert response.status_code == 200, response.text
    [secret] = re.findall(r'id="secret"[^>]*>([^<]*)<', response.text)
    return str(secret)


def statuses(url: str, token: str) -> tuple[int, int]:
    """Return the statuses of a read and of a ping with a token."""
    program = BrowserSession(url, {"Authorization": f"Bearer {token}"})
    return (
        program.get(READ).status_code,
        program.post(WRITE, json={"action": "ping", "id": 10}).status_code,
    )


def events_of(access: AccessControl, *actions: str) -> list[AuditEvent]:
    records = reversed(access.audit.list_recent(100))
    return [record.event for record in records if record.event.action in actions]


def test_account_lists_the_sessions_of_the_user_only(log_in: Callable[..., BrowserSession]) -> None:
    vera, phone = log_in("vera"), log_in("vera", "Mozilla/5.0 (iPhone) Safari/604.1")
    otto = log_in("otto", "otto's browser")
    page = vera.get("/account").text
    rows = re.findall(r"<tr>.*?</tr>", page.split("Your sessions")[1], re.DOTALL)[1:]
    assert ["this one" in row for row in rows] == ["Firefox on Linux" in row for row in rows]
    assert len(rows) == 2
    assert "Safari on iPhone" in page
    assert page.count("127.0.0.1") >= 2
    assert "otto" not in page
    for browser in (vera, phone, otto):
        assert secret_of(browser) not in page


def test_user_ends_one_session_or_all_others(
    log_in: Callable[..., BrowserSession], access: AccessControl
) -> None:
    this, phone, tablet, otto = log_in("vera"), log_in("vera"), log_in("vera"), log_in("otto")
    response = post(this, "sessions/end", session=session_id(secret_of(phone)))
    assert response.headers["Location"] == "/account?done=session"
    assert [each.is_logged_in for each in (this, phone, tablet, otto)] == [True, False, True, True]
    assert "The session was ended." in this.get("/account?done=session").text
    post(this, "sessions/end-others")
    assert [each.is_logged_in for each in (this, tablet, otto)] == [True, False, True]
    assert events_of(access, "end session", "end other sessions") == [
        AuditEvent("vera", "127.0.0.1", "end session", "vera", "ok"),
        AuditEvent("vera", "127.0.0.1", "end other sessions", "vera", "ok", "1 ended"),
    ]


def test_user_cannot_end_the_session_of_another_user(
    log_in: Callable[..., BrowserSession],
) -> None:
    ada, vera = log_in("ada"), log_in("vera")
    for session in (session_id(secret_of(vera)), "", "%", "' OR 1=1 --"):
        response = post(ada, "sessions/end", session=session)
        assert (response.status_code, vera.is_logged_in) == (404, True), session
        assert "This session has already ended." in response.text


def test_token_of_a_user_is_shown_once_and_has_its_role(
    log_in: Callable[..., BrowserSession], url: str, access: AccessControl, tmp_path: Path
) -> None:
    otto = log_in("otto")
    viewer, operator = create_token(otto, "viewer"), create_token(otto, "operator", "cron")
    assert statuses(url, viewer) == (200, 403)
    assert statuses(url, operator) == (200, 200)
    page = otto.get("/account").text
    content = b"".join(read_existing(tmp_path.glob("pirack.db*")).values())
    for secret in (viewer, operator):
        assert secret not in page
        assert secret.encode() not in content
        assert f"{secret[:13]}…" in page
    assert "never" not in page.split("Your API tokens")[1].split("</table>")[0]  # last used
    assert events_of(access, "add token", "ping") == [
        AuditEvent("otto", "127.0.0.1", "add token", "otto/ci", "ok", "viewer"),
        AuditEvent("otto", "127.0.0.1", "add token", "otto/cron", "ok", "operator"),
        *events_of(access, "ping"),
    ]
    assert {event.actor for event in events_of(access, "ping")} == {"token:otto/cron"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"role": "operator"}, "vera does not have the role operator"),
        ({"role": "admin"}, "vera does not have the role admin"),
        ({"role": "root"}, "Select a role"),
        ({"role": ""}, "Select a role"),
        ({"days": "-1"}, "Select a role, and when the token expires"),
        ({"days": "1e9"}, "Select a role, and when the token expires"),
        ({"token": ""}, "is not a valid name"),
        ({"token": "otto/ci"}, "is not a valid name"),
        ({"token": "<script>"}, "is not a valid name"),
    ],
)
def test_token_that_a_user_may_not_have_is_not_created(
    log_in: Callable[..., BrowserSession],
    access: AccessControl,
    fields: dict[str, str],
    message: str,
) -> None:
    response = post(
        log_in("vera"), "tokens", **({"token": "ci", "role": "viewer", "days": "30"} | fields)
    )
    assert response.status_code == 422
    assert message in response.text
    assert access.tokens.all() == []


def test_token_loses_the_rights_that_its_user_loses(
    log_in: Callable[..., BrowserSession], url: str, access: AccessControl
) -> None:
    token = create_token(log_in("otto"), "operator")
    with access.users._database.connection() as connection:
        connection.execute("UPDATE users SET role = 'viewer' WHERE name = 'otto'")
    assert statuses(url, token) == (200, 403)
    assert "<td>viewer</td>" in log_in("otto").get("/account").text
    access.users.remove("otto")
    assert statuses(url, token) == (401, 401)
    access.users.add("otto", Role.ADMIN, "correct horse battery")
    assert statuses(url, token) == (401, 401)


def test_user_revokes_own_tokens_and_neither_sees_nor_revokes_others(
    log_in: Callable[..., BrowserSession], url: str, access: AccessControl
) -> None:
    vera, ada = log_in("vera"), log_in("ada")
    token, console_token = create_token(vera), access.tokens.add("backup", Role.VIEWER)
    for name in ("vera/ci", "backup", "", "%"):
        assert post(ada, "tokens/revoke", token=name).status_code == 404, name
    assert statuses(url, token)[0] == statuses(url, console_token)[0] == 200
    assert "Your API tokens" not in ada.get("/account").text
    assert post(vera, "tokens/revoke", token="vera/ci").status_code == 303
    assert statuses(url, token) == (401, 401)
    assert [event.targets for event in events_of(access, "revoke token")] == ["vera/ci"]


def test_number_of_tokens_of_a_user_is_limited(
    log_in: Callable[..., BrowserSession], access: AccessControl
) -> None:
    vera = log_in("vera")
    for number in range(MAX_TOKENS_PER_USER):
        access.tokens.add_for_user("vera", f"t{number}", Role.VIEWER)
    response = post(vera, "tokens", token="ci", role="viewer", days="never")
    assert response.status_code == 422
    assert "revoke one that is not used any more" in response.text


def test_token_manages_neither_sessions_nor_tokens(
    log_in: Callable[..., BrowserSession], url: str, access: AccessControl
) -> None:
    ada = log_in("ada")
    program = BrowserSession(url, {"Authorization": f"Bearer {create_token(ada, 'admin')}"})
    fields = {"token": "x", "role": "viewer", "days": "30", "session": session_id(secret_of(ada))}
    for path in ("tokens", "tokens/revoke", "sessions/end", "sessions/end-others", "theme"):
        assert program.post(f"/account/{path}", data=fields).status_code == 403, path
    assert ada.is_logged_in
    assert [token.name for token in access.tokens.all()] == ["ada/ci"]


@pytest.mark.parametrize(
    ("actor", "user"),
    [
        ("otto", "otto"),
        ("token:otto/ci", "otto"),
        ("token:ci", "token:ci"),
        ("anonymous", "anonymous"),
        ("experiment 3", "experiment 3"),
    ],
)
def test_token_of_a_user_acts_for_the_user(actor: str, user: str) -> None:
    assert user_of_actor(actor) == user


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_is_rendered_by_the_server_on_all_pages(
    log_in: Callable[..., BrowserSession], theme: str
) -> None:
    vera = log_in("vera")
    assert "data-bs-theme" not in vera.get("/").text
    assert post(vera, "theme", theme=theme).headers["Location"] == "/account"
    for path in ("/", "/account", "/no-such-page"):
        page = vera.get(path).text
        assert f'<html lang="en" data-bs-theme="{theme}">' in page, path
        assert f'<meta name="color-scheme" content="{theme}">' in page, path
    post(vera, "theme", theme="system")
    assert "data-bs-theme" not in vera.get("/").text


def test_invalid_theme_is_ignored(log_in: Callable[..., BrowserSession]) -> None:
    vera = log_in("vera")
    vera.session.cookies.set(THEME_COOKIE, '"><script>')
    page = vera.get("/")
    assert page.status_code == 200
    assert "data-bs-theme" not in page.text


@pytest.mark.parametrize(
    ("user_agent", "text"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like"
            " Gecko) Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown browser"),
    ],
)
def test_browser_is_named_with_its_system(user_agent: str, text: str) -> None:
    assert describe_user_agent(user_agent) == text
