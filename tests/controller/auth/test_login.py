"""Tests of login, logout, sessions and password changes over HTTP."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from flask import Flask

from controller.audit import AuditEvent
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.auth.roles import Role
from controller.auth.sessions import MAX_AGE_SECONDS, MAX_IDLE_SECONDS, Sessions, session_id
from controller.web.local_paths import safe_redirect_path
from rack.database import Database
from rack.settings import Anonymous
from tests.controller.http_client import (
    PASSWORDS,
    BrowserSession,
    add_users,
    create_session,
)
from tests.controller.running_server import running_server
from tests.helpers.existing_files import read_existing
from tests.helpers.fake_clock import FakeClock

pytestmark = pytest.mark.slow

NEW_PASSWORD = "correct horse battery"


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture
def browser_session(url: str, access: AccessControl) -> BrowserSession:
    add_users(access)
    return BrowserSession(url)


@pytest.fixture
def new_browser_session(browser_session: BrowserSession) -> Callable[[], BrowserSession]:
    return lambda: BrowserSession(browser_session.url)


def audit_events(access: AccessControl) -> list[tuple[str, str, str]]:
    return [
        (record.event.actor, record.event.action, record.event.result)
        for record in reversed(access.audit.list_recent(100))
    ]


def test_anonymous_request_is_redirected_to_login_and_back(
    browser_session: BrowserSession,
) -> None:
    redirect = browser_session.get("/rasps/10?a=b")
    assert redirect.status_code == 302
    assert redirect.headers["Location"] == "/login?next=/rasps/10?a%3Db"
    page = browser_session.get(redirect.headers["Location"])
    assert 'value="/rasps/10?a=b"' in page.text
    logged_in = browser_session.log_in("vera", next="/rasps/10?a=b")
    assert (logged_in.status_code, logged_in.headers["Location"]) == (303, "/rasps/10?a=b")
    assert browser_session.get("/rasps/10").status_code == 200


def test_api_returns_401_to_anonymous_requests(
    browser_session: BrowserSession,
) -> None:
    response = browser_session.get("/api/v1.0/rasps")
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert response.json()["detail"] == "log in, or send a token"


def test_login_and_master_paths_need_no_session(browser_session: BrowserSession) -> None:
    for path in ("/healthz", "/metrics", "/login", "/static/auto_refresh.js"):
        assert browser_session.get(path).status_code == 200, path


def test_metrics_require_a_session_on_other_machines(app: Flask) -> None:
    client = app.test_client()
    for path in ("/metrics", "/healthz"):
        assert client.get(path, environ_base={"REMOTE_ADDR": "10.23.3.2"}).status_code == 302
        for loopback in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            assert client.get(path, environ_base={"REMOTE_ADDR": loopback}).status_code == 200


def test_page_displays_the_user_name(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    page = browser_session.get("/").text
    assert re.search(r'<a href="/account"[^>]*>vera<', page)
    assert "Log out" in page


def test_login_ignores_case_and_spaces_of_the_user_name(
    browser_session: BrowserSession,
) -> None:
    assert browser_session.log_in(" Vera ", PASSWORDS["vera"]).status_code == 303


def test_session_cookie_is_protected_from_scripts_and_other_sites(
    browser_session: BrowserSession,
) -> None:
    cookie = browser_session.log_in("vera").headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_session_cookie_is_secure_over_https(app: Flask) -> None:
    response = app.test_client().get("/login", base_url="https://localhost")
    assert "Secure" in response.headers["Set-Cookie"]


def test_login_rejects_wrong_credentials_with_the_same_message(
    browser_session: BrowserSession,
) -> None:
    for name, password in [
        ("vera", "not the password"),
        ("vera", ""),
        ("vera", PASSWORDS["otto"]),
        ("unknown", PASSWORDS["vera"]),
        ("", ""),
        ("<script>alert(1)</script>", "x"),
        ("vera'--", PASSWORDS["vera"]),
        ("vera\nroot", PASSWORDS["vera"]),
        ("v" * 10_000, "x" * 10_000),
        ("\x00", "\x00"),
    ]:
        response = browser_session.log_in(name, password)
        assert response.status_code == 403, (name, password)
        assert "Invalid user name or password." in response.text
        assert "<script>alert" not in response.text
        assert not browser_session.is_logged_in


def test_audit_does_not_record_unknown_user_names(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("my secret password", "x")
    browser_session.log_in("vera", "wrong")
    assert audit_events(access) == [
        ("unknown user", "log in", "refused"),
        ("vera", "log in", "refused"),
    ]


def test_audit_records_login_logout_and_password_change(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("vera")
    browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD)
    browser_session.log_out()
    assert [record.event for record in reversed(access.audit.list_recent(10))] == [
        AuditEvent("vera", "127.0.0.1", "log in", "", "ok"),
        AuditEvent("vera", "127.0.0.1", "change password", "vera", "ok"),
        AuditEvent("vera", "127.0.0.1", "log out", "", "ok"),
    ]


def test_login_limits_the_attempts_for_a_user(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    statuses = [browser_session.log_in("vera", f"guess {i}").status_code for i in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    response = browser_session.log_in("vera")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert "Too many attempts" in response.text
    assert browser_session.log_in("otto").status_code == 303


def test_login_limits_the_attempts_for_an_unknown_user(
    browser_session: BrowserSession,
) -> None:
    statuses = [browser_session.log_in("unknown", f"guess {i}").status_code for i in range(6)]
    assert statuses == [403] * 5 + [429]


def test_wrong_guesses_of_a_stranger_affect_neither_logins_nor_password_changes(
    app: Flask, access: AccessControl
) -> None:
    add_users(access)
    # Each client is behind the proxy of `running_server`, with an address of its own.
    with running_server(app, proxy="127.0.0.1") as url:
        user, stranger = (
            BrowserSession(url, {"X-Forwarded-For": address, "X-Forwarded-Proto": "http"})
            for address in ("10.23.0.8", "10.23.0.9")
        )
        assert user.log_in("vera").status_code == 303
        statuses = [stranger.log_in("vera", f"guess {i}").status_code for i in range(7)]
        assert statuses == [403] * 5 + [429] * 2
        assert user.change_password(PASSWORDS["vera"], NEW_PASSWORD).status_code == 303
        user.log_out()
        assert user.log_in("vera", NEW_PASSWORD).status_code == 303


def test_login_does_not_limit_correct_passwords(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    assert {new_browser_session().log_in("vera").status_code for _ in range(8)} == {303}


def test_logout_invalidates_the_cookie(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    secret = browser_session.session.cookies[SESSION_COOKIE]
    assert browser_session.log_out().status_code == 303
    browser_session.session.cookies.set(SESSION_COOKIE, secret)
    assert not browser_session.is_logged_in


def test_login_replaces_an_earlier_cookie(
    browser_session: BrowserSession,
) -> None:
    browser_session.session.cookies.set(SESSION_COOKIE, "chosen-by-attacker")
    assert browser_session.log_in("vera").status_code == 303
    assert set(browser_session.session.cookies.values()) != {"chosen-by-attacker"}
    attacker = BrowserSession(browser_session.url)
    attacker.session.cookies.set(SESSION_COOKIE, "chosen-by-attacker")
    assert not attacker.is_logged_in


def test_modified_cookie_is_rejected(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    secret = browser_session.session.cookies[SESSION_COOKIE]
    for changed in (secret[:-1], secret[::-1], secret + "A", secret.swapcase()):
        browser_session.session.cookies.clear()
        browser_session.session.cookies.set(SESSION_COOKIE, changed)
        assert not browser_session.is_logged_in, changed


def test_password_change_ends_all_other_sessions_of_the_user(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    second, other_user = new_browser_session(), new_browser_session()
    browser_session.log_in("vera")
    second.log_in("vera")
    other_user.log_in("otto")
    stolen = browser_session.session.cookies[SESSION_COOKIE]
    changed = browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD)
    assert (changed.status_code, changed.headers["Location"]) == (303, "/account?done=password")
    assert browser_session.is_logged_in
    assert not second.is_logged_in
    assert other_user.is_logged_in
    second.session.cookies.set(SESSION_COOKIE, stolen)
    assert not second.is_logged_in
    assert new_browser_session().log_in("vera").status_code == 403
    assert new_browser_session().log_in("vera", NEW_PASSWORD).status_code == 303


def test_password_change_during_a_login_prevents_the_session(access: AccessControl) -> None:
    add_users(access)
    verified_hash = access.users.verified_hash("vera", PASSWORDS["vera"])
    assert verified_hash is not None
    access.users.set_password("vera", NEW_PASSWORD)
    assert access.sessions.find_user(access.sessions.create("vera", verified_hash)) is None


def test_removal_of_a_user_ends_the_sessions_of_the_user(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("vera")
    access.users.remove("vera")
    assert not browser_session.is_logged_in
    access.users.add("vera", access.users.all()[0].role, NEW_PASSWORD)
    assert not browser_session.is_logged_in


def test_invalid_password_change_displays_the_reason_and_changes_nothing(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    browser_session.log_in("vera")
    for old, new, again, status, message in [
        ("not the password", NEW_PASSWORD, NEW_PASSWORD, 403, "The current password is incorrect."),
        (PASSWORDS["vera"], NEW_PASSWORD, "other", 422, "The two new passwords differ."),
        (PASSWORDS["vera"], "short", "short", 422, "the password has 5 characters: use 12 to"),
        (PASSWORDS["vera"], "a  " * 5, "a  " * 5, 422, "count spaces in a row as one"),
        (PASSWORDS["vera"], "x" * 129, "x" * 129, 422, "129 characters"),
        (PASSWORDS["vera"], "tab\t" * 9, "tab\t" * 9, 422, "control characters"),
    ]:
        response = browser_session.change_password(old, new, again)
        assert response.status_code == status, message
        assert message in response.text
        assert new_browser_session().log_in("vera").status_code == 303


def test_password_change_limits_the_attempts(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    statuses = [
        browser_session.change_password(f"guess {i}", NEW_PASSWORD).status_code for i in range(6)
    ]
    assert statuses == [403] * 5 + [429]


def test_login_normalizes_unicode_passwords(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    access.users.set_password("vera", "caf\u00e9 caf\u00e9 caf\u00e9")
    assert browser_session.log_in("vera", "cafe\u0301 cafe\u0301 cafe\u0301").status_code == 303


@pytest.mark.parametrize("password", ["x" * 128, "👩\u200d💻 a rack of π", "馬\u3000" * 6])
def test_login_compares_every_character_of_any_script(
    browser_session: BrowserSession, access: AccessControl, password: str
) -> None:
    access.users.set_password("vera", password)
    assert browser_session.log_in("vera", password[:-1]).status_code == 403
    assert browser_session.log_in("vera", password).status_code == 303


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_form_without_a_valid_csrf_token_is_rejected(
    browser_session: BrowserSession, access: AccessControl, token: str | None
) -> None:
    browser_session.log_in("vera")
    fields = {
        "name": "otto",
        "password": PASSWORDS["vera"],
        "current_password": PASSWORDS["vera"],
        "new_password": NEW_PASSWORD,
        "repeated_password": NEW_PASSWORD,
        "session": session_id(browser_session.session.cookies[SESSION_COOKIE]),
        "token": "ci",
        "role": "viewer",
        "days": "never",
        "theme": "dark",
    }
    if token is not None:
        fields["csrf_token"] = token
    access.tokens.add_for_user("vera", "old", Role.VIEWER)
    account_forms = ("password", "theme", "sessions/end", "sessions/end-others", "tokens")
    forms = [*account_forms, "tokens/revoke"]
    for path in ("/login", "/logout", *(f"/account/{form}" for form in forms)):
        assert browser_session.post(path, data=fields).status_code == 403, path
        assert [each.name for each in access.tokens.all()] == ["vera/old"]
        assert browser_session.is_logged_in
        assert BrowserSession(browser_session.url).log_in("vera").status_code == 303
        assert ("vera", f"POST {path}", "refused") in audit_events(access)


def test_csrf_token_of_another_session_is_rejected(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    browser_session.log_in("vera")
    token = new_browser_session().csrf_token("/login")
    assert browser_session.post("/logout", data={"csrf_token": token}).status_code == 403
    assert browser_session.is_logged_in


def test_form_on_another_site_is_rejected_with_a_valid_token(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    fields = {"csrf_token": browser_session.csrf_token("/account")}
    for origin in ("http://evil.example", "null", browser_session.url + "1"):
        response = browser_session.post("/logout", data=fields, headers={"Origin": origin})
        assert response.status_code == 403
    response = browser_session.post("/logout", data=fields, headers={"Origin": browser_session.url})
    assert response.status_code == 303


def test_long_body_is_rejected(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    response = browser_session.post("/login", data={"name": "x" * 100_000})
    assert response.status_code == 413


@pytest.mark.parametrize("target", ["/", "/rasps/10", "/rasps?stack=3&state=down", "/a#b"])
def test_safe_redirect_path_keeps_local_paths(target: str) -> None:
    assert safe_redirect_path(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        " /",
        "/%0d%0a é",
        "/a\\b",
    ],
)
def test_safe_redirect_path_replaces_other_targets(target: str) -> None:
    assert safe_redirect_path(target) == "/"


def test_login_does_not_redirect_to_another_site(browser_session: BrowserSession) -> None:
    response = browser_session.log_in("vera", next="//evil.example/")
    assert response.headers["Location"] == "/"
    response = browser_session.get("/login?next=https://evil.example/")
    assert response.headers["Location"] == "/"


def test_response_with_a_session_is_private_for_caches(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    for path in ("/", "/api/v1.0/rasps"):
        headers = browser_session.get(path).headers
        assert "private" in headers["Cache-Control"]
        assert {"Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


def test_unchanged_page_returns_304_with_a_session(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    update = {"Prefer": "return=minimal"}  # without the history, which changes with the time
    etag = {"If-None-Match": browser_session.get("/", headers=update).headers["ETag"]}
    assert browser_session.get("/", headers={**update, **etag}).status_code == 304
    browser_session.log_out()
    assert browser_session.get("/", headers={**update, **etag}).status_code == 302


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1e9)


@pytest.fixture
def sessions(access: AccessControl, tmp_path: Path, clock: FakeClock) -> Sessions:
    add_users(access)
    return Sessions(Database(tmp_path / "pirack.db"), clock=clock)


def test_session_expires_without_requests(
    access: AccessControl, sessions: Sessions, clock: FakeClock
) -> None:
    secret = create_session(access, "vera", sessions)
    for _ in range(3):
        clock.now += MAX_IDLE_SECONDS - 1
        assert sessions.find_user(secret) is not None
    clock.now += MAX_IDLE_SECONDS + 1
    assert sessions.find_user(secret) is None


def test_session_expires_after_a_week_despite_requests(
    access: AccessControl, sessions: Sessions, clock: FakeClock
) -> None:
    secret = create_session(access, "vera", sessions)
    for _ in range(int(MAX_AGE_SECONDS // 3600) - 1):
        clock.now += 3600
        assert sessions.find_user(secret) is not None
    clock.now += 3601
    assert sessions.find_user(secret) is None


def test_expired_sessions_are_deleted(
    access: AccessControl, sessions: Sessions, clock: FakeClock, tmp_path: Path
) -> None:
    for _ in range(5):
        create_session(access, "vera", sessions)
        clock.now += MAX_IDLE_SECONDS + 1
    with Database(tmp_path / "pirack.db").connection() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_database_contains_no_password_and_no_secret(
    browser_session: BrowserSession, access: AccessControl, tmp_path: Path
) -> None:
    BrowserSession(browser_session.url).log_in("otto", "a wrong password")
    browser_session.log_in("vera")
    token = access.tokens.add("ci", access.users.all()[0].role)
    content = b"".join(read_existing(tmp_path.glob("pirack.db*")).values())
    secrets = [
        *PASSWORDS.values(),
        "a wrong password",
        browser_session.session.cookies[SESSION_COOKIE],
        token,
    ]
    assert [secret for secret in secrets if secret.encode() in content] == []
    assert (tmp_path / "pirack.db").stat().st_mode & 0o077 == 0


def test_pages_and_logs_contain_no_password(
    browser_session: BrowserSession,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    responses: list[requests.Response] = [
        browser_session.log_in("vera", "a wrong password"),
        browser_session.log_in("vera"),
        browser_session.change_password("a wrong password", NEW_PASSWORD),
        browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD),
    ]
    output = "".join([*(response.text for response in responses), caplog.text, *capfd.readouterr()])
    for secret in ("a wrong password", PASSWORDS["vera"], NEW_PASSWORD):
        assert secret not in output
