"""Logging in and out over HTTP, and all that must not let anybody in."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from flask import Flask

from controller.audit import AuditEvent
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.auth.sessions import MAX_AGE_SECONDS, MAX_IDLE_SECONDS, Sessions
from controller.pages.login import safe_redirect_path
from rack.database import Database
from rack.layout import Anonymous
from tests.controller.http_client import PASSWORDS, BrowserSession, add_users

NEW_PASSWORD = "correct horse battery"


@pytest.fixture
def anonymous() -> Anonymous:
    return "nobody"


@pytest.fixture
def browser_session(url: str, access: AccessControl) -> BrowserSession:
    add_users(access)
    return BrowserSession(url)


@pytest.fixture
def new_browser_session(browser_session: BrowserSession) -> Callable[[], BrowserSession]:
    return lambda: BrowserSession(browser_session.url)


def audit_events(access: AccessControl) -> list[tuple[str, str, str]]:
    return [
        (entry.event.actor, entry.event.action, entry.event.result)
        for entry in reversed(access.audit.list_recent(100))
    ]


def test_who_is_not_logged_in_is_led_to_the_log_in_and_then_on(
    browser_session: BrowserSession,
) -> None:
    refused = browser_session.get("/rasps/10?a=b")
    assert refused.status_code == 302
    assert refused.headers["Location"] == "/login?next=/rasps/10?a%3Db"
    page = browser_session.get(refused.headers["Location"])
    assert 'value="/rasps/10?a=b"' in page.text
    logged_in = browser_session.log_in("vera", next="/rasps/10?a=b")
    assert (logged_in.status_code, logged_in.headers["Location"]) == (303, "/rasps/10?a=b")
    assert browser_session.get("/rasps/10").status_code == 200


def test_the_api_tells_a_program_that_it_must_say_who_it_is(
    browser_session: BrowserSession,
) -> None:
    answer = browser_session.get("/api/v1.0/rasps")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert answer.json()["detail"] == "log in, or send a token"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/login", "/static/live.js"])
def test_what_the_log_in_and_the_master_need_is_open(
    browser_session: BrowserSession, path: str
) -> None:
    assert browser_session.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_from_elsewhere_the_metrics_need_a_log_in(app: Flask, path: str) -> None:
    client = app.test_client()
    assert client.get(path, environ_base={"REMOTE_ADDR": "10.23.3.2"}).status_code == 302
    for own in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert client.get(path, environ_base={"REMOTE_ADDR": own}).status_code == 200


def test_the_page_says_who_is_logged_in(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    page = browser_session.get("/").text
    assert re.search(r'<a href="/account"[^>]*>vera<', page)
    assert "Log out" in page


def test_capitals_and_blanks_that_a_phone_adds_to_a_name_do_no_harm(
    browser_session: BrowserSession,
) -> None:
    assert browser_session.log_in(" Vera ", PASSWORDS["vera"]).status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser_session: BrowserSession,
) -> None:
    cookie = browser_session.log_in("vera").headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_for_https_alone(app: Flask) -> None:
    answer = app.test_client().get("/login", base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("vera", "not her password"),
        ("vera", ""),
        ("vera", PASSWORDS["otto"]),
        ("nobody", PASSWORDS["vera"]),
        ("", ""),
        ("<script>alert(1)</script>", "x"),
        ("vera'--", PASSWORDS["vera"]),
        ("vera\nroot", PASSWORDS["vera"]),
        ("v" * 10_000, "x" * 10_000),
        ("\x00", "\x00"),
    ],
)
def test_whoever_is_wrong_gets_the_same_answer_and_no_session(
    browser_session: BrowserSession, name: str, password: str
) -> None:
    answer = browser_session.log_in(name, password)
    assert answer.status_code == 403
    assert "There is no such user, or the password is another." in answer.text
    assert "<script>alert" not in answer.text
    assert not browser_session.is_logged_in


def test_a_name_that_nobody_has_is_not_written_down(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("my secret password", "x")
    browser_session.log_in("vera", "wrong")
    assert audit_events(access) == [
        ("unknown user", "log in", "refused"),
        ("vera", "log in", "refused"),
    ]


def test_log_ins_log_outs_and_changes_are_recorded_with_where_from(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("vera")
    browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD)
    browser_session.log_out()
    assert [entry.event for entry in reversed(access.audit.list_recent(10))] == [
        AuditEvent("vera", "127.0.0.1", "log in", "", "ok"),
        AuditEvent("vera", "127.0.0.1", "change password", "vera", "ok"),
        AuditEvent("vera", "127.0.0.1", "log out", "", "ok"),
    ]


def test_guessing_is_slowed_down_and_then_even_the_right_password_waits(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    statuses = [browser_session.log_in("vera", f"guess {i}").status_code for i in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    answer = browser_session.log_in("vera")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts" in answer.text
    assert browser_session.log_in("otto").status_code == 303


def test_guessing_at_a_user_who_is_not_there_is_slowed_down_just_so(
    browser_session: BrowserSession,
) -> None:
    statuses = [browser_session.log_in("nobody", f"guess {i}").status_code for i in range(6)]
    assert statuses == [403] * 5 + [429]


def test_logging_in_often_is_no_guessing(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    assert {new_browser_session().log_in("vera").status_code for _ in range(8)} == {303}


def test_after_the_log_out_the_cookie_is_worth_nothing(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    kept = browser_session.session.cookies[SESSION_COOKIE]
    assert browser_session.log_out().status_code == 303
    browser_session.session.cookies.set(SESSION_COOKIE, kept)
    assert not browser_session.is_logged_in


def test_a_session_that_began_before_the_log_in_is_not_the_one_after_it(
    browser_session: BrowserSession,
) -> None:
    browser_session.session.cookies.set(SESSION_COOKIE, "chosen-by-somebody-else")
    assert browser_session.log_in("vera").status_code == 303
    assert set(browser_session.session.cookies.values()) != {"chosen-by-somebody-else"}
    stranger = BrowserSession(browser_session.url)
    stranger.session.cookies.set(SESSION_COOKIE, "chosen-by-somebody-else")
    assert not stranger.is_logged_in


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s[::-1], lambda s: s + "A", str.swapcase]
)
def test_a_cookie_that_was_tampered_with_lets_nobody_in(
    browser_session: BrowserSession, change: Callable[[str], str]
) -> None:
    browser_session.log_in("vera")
    secret = browser_session.session.cookies[SESSION_COOKIE]
    browser_session.session.cookies.clear()
    browser_session.session.cookies.set(SESSION_COOKIE, change(secret))
    assert not browser_session.is_logged_in


def test_a_change_of_the_password_ends_every_other_session(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    elsewhere, of_another = new_browser_session(), new_browser_session()
    browser_session.log_in("vera")
    elsewhere.log_in("vera")
    of_another.log_in("otto")
    stolen = browser_session.session.cookies[SESSION_COOKIE]
    changed = browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD)
    assert (changed.status_code, changed.headers["Location"]) == (303, "/account?changed=")
    assert browser_session.is_logged_in
    assert not elsewhere.is_logged_in
    assert of_another.is_logged_in
    elsewhere.session.cookies.set(SESSION_COOKIE, stolen)
    assert not elsewhere.is_logged_in
    assert new_browser_session().log_in("vera").status_code == 403
    assert new_browser_session().log_in("vera", NEW_PASSWORD).status_code == 303


def test_a_password_that_changes_during_a_log_in_leaves_no_session(access: AccessControl) -> None:
    add_users(access)
    proof = access.users.verified_hash("vera", PASSWORDS["vera"])
    assert proof is not None
    access.users.set_password("vera", NEW_PASSWORD)
    assert access.sessions.find_user(access.sessions.create("vera", proof)) is None


def test_a_removed_user_is_logged_out_at_once(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    browser_session.log_in("vera")
    access.users.remove("vera")
    assert not browser_session.is_logged_in
    access.users.add("vera", access.users.all()[0].role, NEW_PASSWORD)
    assert not browser_session.is_logged_in


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "told"),
    [
        ("not her password", NEW_PASSWORD, NEW_PASSWORD, 403, "The present password is another."),
        (PASSWORDS["vera"], NEW_PASSWORD, "other", 422, "The two new passwords differ."),
        (PASSWORDS["vera"], "short", "short", 422, "a password of 5 characters: take 12 or more"),
        (PASSWORDS["vera"], "x" * 1001, "x" * 1001, 422, "1001 characters"),
        (PASSWORDS["vera"], "tab\t" * 9, "tab\t" * 9, 422, "control characters"),
    ],
)
def test_a_change_that_will_not_do_says_why_and_changes_nothing(
    browser_session: BrowserSession, old: str, new: str, again: str, status: int, told: str
) -> None:
    browser_session.log_in("vera")
    answer = browser_session.change_password(old, new, again)
    assert answer.status_code == status
    assert told in answer.text
    assert BrowserSession(browser_session.url).log_in("vera").status_code == 303


def test_who_has_taken_a_session_cannot_guess_the_password_with_it(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    statuses = [
        browser_session.change_password(f"guess {i}", NEW_PASSWORD).status_code for i in range(6)
    ]
    assert statuses == [403] * 5 + [429]


def test_a_password_is_the_same_from_every_keyboard(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    access.users.set_password("vera", "caf\u00e9 caf\u00e9 caf\u00e9")
    assert browser_session.log_in("vera", "cafe\u0301 cafe\u0301 cafe\u0301").status_code == 303


@pytest.mark.parametrize("path", ["/login", "/logout", "/account/password"])
@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_its_csrf_token_does_nothing(
    browser_session: BrowserSession, access: AccessControl, path: str, token: str | None
) -> None:
    browser_session.log_in("vera")
    fields = {
        "name": "otto",
        "password": PASSWORDS["vera"],
        "new": NEW_PASSWORD,
        "again": NEW_PASSWORD,
    }
    answer = browser_session.post(
        path, data=fields | ({} if token is None else {"csrf_token": token})
    )
    assert answer.status_code == 403
    assert browser_session.is_logged_in
    assert BrowserSession(browser_session.url).log_in("vera").status_code == 303
    assert ("vera", f"POST {path}", "refused") in audit_events(access)


def test_another_visitors_csrf_token_does_nothing(
    browser_session: BrowserSession, new_browser_session: Callable[[], BrowserSession]
) -> None:
    browser_session.log_in("vera")
    foreign = new_browser_session().csrf_token("/login")
    assert browser_session.post("/logout", data={"csrf_token": foreign}).status_code == 403
    assert browser_session.is_logged_in


def test_a_form_on_another_site_does_nothing_even_with_the_token(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    fields = {"csrf_token": browser_session.csrf_token("/account")}
    for origin in ("http://evil.example", "null", browser_session.url + "1"):
        answer = browser_session.post("/logout", data=fields, headers={"Origin": origin})
        assert answer.status_code == 403
    answer = browser_session.post("/logout", data=fields, headers={"Origin": browser_session.url})
    assert answer.status_code == 303


def test_a_body_that_is_too_long_is_refused(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    answer = browser_session.post("/login", data={"name": "x" * 100_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("target", ["/", "/rasps/10", "/rasps?stack=3&state=down", "/a#b"])
def test_the_way_on_is_a_path_of_ours(target: str) -> None:
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
def test_a_way_on_that_may_lead_elsewhere_leads_to_the_first_page(target: str) -> None:
    assert safe_redirect_path(target) == "/"


def test_a_log_in_never_leads_to_another_site(browser_session: BrowserSession) -> None:
    answer = browser_session.log_in("vera", next="//evil.example/")
    assert answer.headers["Location"] == "/"
    answer = browser_session.get("/login?next=https://evil.example/")
    assert answer.headers["Location"] == "/"


def test_a_page_with_a_name_on_it_is_kept_by_no_cache_between(
    browser_session: BrowserSession,
) -> None:
    browser_session.log_in("vera")
    for path in ("/", "/api/v1.0/rasps"):
        headers = browser_session.get(path).headers
        assert "private" in headers["Cache-Control"]
        assert {"Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


def test_who_is_logged_in_gets_a_short_304_too(browser_session: BrowserSession) -> None:
    browser_session.log_in("vera")
    etag = browser_session.get("/").headers["ETag"]
    assert browser_session.get("/", headers={"If-None-Match": etag}).status_code == 304
    browser_session.log_out()
    assert browser_session.get("/", headers={"If-None-Match": etag}).status_code == 302


class FakeClock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sessions(access: AccessControl, tmp_path: Path, clock: FakeClock) -> Sessions:
    add_users(access)
    return Sessions(Database(tmp_path / "pirack.db"), clock=clock)


def create_session_for(access: AccessControl, sessions: Sessions) -> str:
    proof = access.users.verified_hash("vera", PASSWORDS["vera"])
    assert proof is not None
    return sessions.create("vera", proof)


def test_a_session_ends_when_nobody_uses_it(
    access: AccessControl, sessions: Sessions, clock: FakeClock
) -> None:
    secret = create_session_for(access, sessions)
    for _ in range(3):
        clock.now += MAX_IDLE_SECONDS - 1
        assert sessions.find_user(secret) is not None
    clock.now += MAX_IDLE_SECONDS + 1
    assert sessions.find_user(secret) is None


def test_a_session_ends_after_a_week_whoever_uses_it(
    access: AccessControl, sessions: Sessions, clock: FakeClock
) -> None:
    secret = create_session_for(access, sessions)
    for _ in range(int(MAX_AGE_SECONDS // 3600) - 1):
        clock.now += 3600
        assert sessions.find_user(secret) is not None
    clock.now += 3601
    assert sessions.find_user(secret) is None


def test_old_sessions_do_not_pile_up(
    access: AccessControl, sessions: Sessions, clock: FakeClock, tmp_path: Path
) -> None:
    for _ in range(5):
        create_session_for(access, sessions)
        clock.now += MAX_IDLE_SECONDS + 1
    with Database(tmp_path / "pirack.db").connection() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_the_database_holds_no_password_and_no_secret(
    browser_session: BrowserSession, access: AccessControl, tmp_path: Path
) -> None:
    BrowserSession(browser_session.url).log_in("otto", "a wrong password")
    browser_session.log_in("vera")
    token = access.tokens.add("ci", access.users.all()[0].role)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("pirack.db*"))
    secrets = [
        *PASSWORDS.values(),
        "a wrong password",
        browser_session.session.cookies[SESSION_COOKIE],
        token,
    ]
    assert [secret for secret in secrets if secret.encode() in kept] == []
    assert (tmp_path / "pirack.db").stat().st_mode & 0o077 == 0


def test_no_page_and_no_log_line_tells_a_password(
    browser_session: BrowserSession,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answers: list[requests.Response] = [
        browser_session.log_in("vera", "a wrong password"),
        browser_session.log_in("vera"),
        browser_session.change_password("a wrong password", NEW_PASSWORD),
        browser_session.change_password(PASSWORDS["vera"], NEW_PASSWORD),
    ]
    said = "".join([*(answer.text for answer in answers), caplog.text, *capfd.readouterr()])
    for secret in ("a wrong password", PASSWORDS["vera"], NEW_PASSWORD):
        assert secret not in said
