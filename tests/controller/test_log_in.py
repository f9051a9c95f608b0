"""Logging in and out over HTTP, and all that must not let anybody in."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from flask import Flask

from controller.access import COOKIE, Access
from controller.audit import Event
from controller.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, Sessions
from controller.sign_in import path_of_ours
from rack.database import Database
from rack.layout import Anonymous
from tests.controller.visitor import PASSWORDS, Visitor, add_users

NEW = "correct horse battery"


@pytest.fixture
def anonymous() -> Anonymous:
    return "nobody"


@pytest.fixture
def visitor(url: str, access: Access) -> Visitor:
    add_users(access)
    return Visitor(url)


@pytest.fixture
def another(visitor: Visitor) -> Callable[[], Visitor]:
    return lambda: Visitor(visitor.url)


def events(access: Access) -> list[tuple[str, str, str]]:
    return [
        (entry.event.who, entry.event.what, entry.event.result)
        for entry in reversed(access.audit.newest(100))
    ]


def test_who_is_not_logged_in_is_led_to_the_log_in_and_then_on(visitor: Visitor) -> None:
    refused = visitor.get("/rasps/10?a=b")
    assert refused.status_code == 302
    assert refused.headers["Location"] == "/login?next=/rasps/10?a%3Db"
    page = visitor.get(refused.headers["Location"])
    assert 'value="/rasps/10?a=b"' in page.text
    logged_in = visitor.log_in("vera", next="/rasps/10?a=b")
    assert (logged_in.status_code, logged_in.headers["Location"]) == (303, "/rasps/10?a=b")
    assert visitor.get("/rasps/10").status_code == 200


def test_the_api_tells_a_program_that_it_must_say_who_it_is(visitor: Visitor) -> None:
    answer = visitor.get("/api/v1.0/rasps")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert answer.json()["detail"] == "log in, or send a token"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/login", "/static/live.js"])
def test_what_the_log_in_and_the_master_need_is_open(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_from_elsewhere_the_metrics_need_a_log_in(app: Flask, path: str) -> None:
    client = app.test_client()
    assert client.get(path, environ_base={"REMOTE_ADDR": "10.23.3.2"}).status_code == 302
    for own in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert client.get(path, environ_base={"REMOTE_ADDR": own}).status_code == 200


def test_the_page_says_who_is_logged_in(visitor: Visitor) -> None:
    visitor.log_in("vera")
    page = visitor.get("/").text
    assert re.search(r'<a href="/account"[^>]*>vera<', page)
    assert "Log out" in page


def test_capitals_and_blanks_that_a_phone_adds_to_a_name_do_no_harm(visitor: Visitor) -> None:
    assert visitor.log_in(" Vera ", PASSWORDS["vera"]).status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    cookie = visitor.log_in("vera").headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
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
    visitor: Visitor, name: str, password: str
) -> None:
    answer = visitor.log_in(name, password)
    assert answer.status_code == 403
    assert "There is no such user, or the password is another." in answer.text
    assert "<script>alert" not in answer.text
    assert not visitor.is_logged_in


def test_a_name_that_nobody_has_is_not_written_down(visitor: Visitor, access: Access) -> None:
    visitor.log_in("my secret password", "x")
    visitor.log_in("vera", "wrong")
    assert events(access) == [
        ("unknown user", "log in", "refused"),
        ("vera", "log in", "refused"),
    ]


def test_log_ins_log_outs_and_changes_are_recorded_with_where_from(
    visitor: Visitor, access: Access
) -> None:
    visitor.log_in("vera")
    visitor.change_password(PASSWORDS["vera"], NEW)
    visitor.log_out()
    assert [entry.event for entry in reversed(access.audit.newest(10))] == [
        Event("vera", "127.0.0.1", "log in", "", "ok"),
        Event("vera", "127.0.0.1", "change password", "vera", "ok"),
        Event("vera", "127.0.0.1", "log out", "", "ok"),
    ]


def test_guessing_is_slowed_down_and_then_even_the_right_password_waits(
    visitor: Visitor, access: Access
) -> None:
    statuses = [visitor.log_in("vera", f"guess {i}").status_code for i in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    answer = visitor.log_in("vera")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts" in answer.text
    assert visitor.log_in("otto").status_code == 303


def test_guessing_at_a_user_who_is_not_there_is_slowed_down_just_so(visitor: Visitor) -> None:
    statuses = [visitor.log_in("nobody", f"guess {i}").status_code for i in range(6)]
    assert statuses == [403] * 5 + [429]


def test_logging_in_often_is_no_guessing(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    assert {another().log_in("vera").status_code for _ in range(8)} == {303}


def test_after_the_log_out_the_cookie_is_worth_nothing(visitor: Visitor) -> None:
    visitor.log_in("vera")
    kept = visitor.session.cookies[COOKIE]
    assert visitor.log_out().status_code == 303
    visitor.session.cookies.set(COOKIE, kept)
    assert not visitor.is_logged_in


def test_a_session_that_began_before_the_log_in_is_not_the_one_after_it(visitor: Visitor) -> None:
    visitor.session.cookies.set(COOKIE, "chosen-by-somebody-else")
    assert visitor.log_in("vera").status_code == 303
    assert set(visitor.session.cookies.values()) != {"chosen-by-somebody-else"}
    stranger = Visitor(visitor.url)
    stranger.session.cookies.set(COOKIE, "chosen-by-somebody-else")
    assert not stranger.is_logged_in


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s[::-1], lambda s: s + "A", str.swapcase]
)
def test_a_cookie_that_was_tampered_with_lets_nobody_in(
    visitor: Visitor, change: Callable[[str], str]
) -> None:
    visitor.log_in("vera")
    secret = visitor.session.cookies[COOKIE]
    visitor.session.cookies.clear()
    visitor.session.cookies.set(COOKIE, change(secret))
    assert not visitor.is_logged_in


def test_a_change_of_the_password_ends_every_other_session(
    visitor: Visitor, another: Callable[[], Visitor]
) -> None:
    elsewhere, of_another = another(), another()
    visitor.log_in("vera")
    elsewhere.log_in("vera")
    of_another.log_in("otto")
    stolen = visitor.session.cookies[COOKIE]
    changed = visitor.change_password(PASSWORDS["vera"], NEW)
    assert (changed.status_code, changed.headers["Location"]) == (303, "/account?changed=")
    assert visitor.is_logged_in
    assert not elsewhere.is_logged_in
    assert of_another.is_logged_in
    elsewhere.session.cookies.set(COOKIE, stolen)
    assert not elsewhere.is_logged_in
    assert another().log_in("vera").status_code == 403
    assert another().log_in("vera", NEW).status_code == 303


def test_a_password_that_changes_during_a_log_in_leaves_no_session(access: Access) -> None:
    add_users(access)
    proof = access.users.proof("vera", PASSWORDS["vera"])
    assert proof is not None
    access.users.set_password("vera", NEW)
    assert access.sessions.user(access.sessions.begin("vera", proof)) is None


def test_a_removed_user_is_logged_out_at_once(visitor: Visitor, access: Access) -> None:
    visitor.log_in("vera")
    access.users.remove("vera")
    assert not visitor.is_logged_in
    access.users.add("vera", access.users.all()[0].role, NEW)
    assert not visitor.is_logged_in


@pytest.mark.parametrize(
    ("old", "new", "again", "status", "told"),
    [
        ("not her password", NEW, NEW, 403, "The present password is another."),
        (PASSWORDS["vera"], NEW, "other", 422, "The two new passwords differ."),
        (PASSWORDS["vera"], "short", "short", 422, "a password of 5 characters: take 12 or more"),
        (PASSWORDS["vera"], "x" * 1001, "x" * 1001, 422, "1001 characters"),
        (PASSWORDS["vera"], "tab\t" * 9, "tab\t" * 9, 422, "control characters"),
    ],
)
def test_a_change_that_will_not_do_says_why_and_changes_nothing(
    visitor: Visitor, old: str, new: str, again: str, status: int, told: str
) -> None:
    visitor.log_in("vera")
    answer = visitor.change_password(old, new, again)
    assert answer.status_code == status
    assert told in answer.text
    assert Visitor(visitor.url).log_in("vera").status_code == 303


def test_who_has_taken_a_session_cannot_guess_the_password_with_it(visitor: Visitor) -> None:
    visitor.log_in("vera")
    statuses = [visitor.change_password(f"guess {i}", NEW).status_code for i in range(6)]
    assert statuses == [403] * 5 + [429]


def test_a_password_is_the_same_from_every_keyboard(visitor: Visitor, access: Access) -> None:
    access.users.set_password("vera", "caf\u00e9 caf\u00e9 caf\u00e9")
    assert visitor.log_in("vera", "cafe\u0301 cafe\u0301 cafe\u0301").status_code == 303


@pytest.mark.parametrize("path", ["/login", "/logout", "/account/password"])
@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
def test_a_form_without_its_csrf_token_does_nothing(
    visitor: Visitor, access: Access, path: str, token: str | None
) -> None:
    visitor.log_in("vera")
    fields = {"name": "otto", "password": PASSWORDS["vera"], "new": NEW, "again": NEW}
    answer = visitor.post(path, data=fields | ({} if token is None else {"csrf_token": token}))
    assert answer.status_code == 403
    assert visitor.is_logged_in
    assert Visitor(visitor.url).log_in("vera").status_code == 303
    assert ("vera", f"POST {path}", "refused") in events(access)


def test_another_visitors_csrf_token_does_nothing(
    visitor: Visitor, another: Callable[[], Visitor]
) -> None:
    visitor.log_in("vera")
    foreign = another().token_of("/login")
    assert visitor.post("/logout", data={"csrf_token": foreign}).status_code == 403
    assert visitor.is_logged_in


def test_a_form_on_another_site_does_nothing_even_with_the_token(visitor: Visitor) -> None:
    visitor.log_in("vera")
    fields = {"csrf_token": visitor.token_of("/account")}
    for origin in ("http://evil.example", "null", visitor.url + "1"):
        answer = visitor.post("/logout", data=fields, headers={"Origin": origin})
        assert answer.status_code == 403
    answer = visitor.post("/logout", data=fields, headers={"Origin": visitor.url})
    assert answer.status_code == 303


def test_a_body_that_is_too_long_is_refused(visitor: Visitor) -> None:
    visitor.log_in("vera")
    answer = visitor.post("/login", data={"name": "x" * 100_000})
    assert answer.status_code == 413


@pytest.mark.parametrize("target", ["/", "/rasps/10", "/rasps?stack=3&state=down", "/a#b"])
def test_the_way_on_is_a_path_of_ours(target: str) -> None:
    assert path_of_ours(target) == target


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
    assert path_of_ours(target) == "/"


def test_a_log_in_never_leads_to_another_site(visitor: Visitor) -> None:
    answer = visitor.log_in("vera", next="//evil.example/")
    assert answer.headers["Location"] == "/"
    answer = visitor.get("/login?next=https://evil.example/")
    assert answer.headers["Location"] == "/"


def test_a_page_with_a_name_on_it_is_kept_by_no_cache_between(visitor: Visitor) -> None:
    visitor.log_in("vera")
    for path in ("/", "/api/v1.0/rasps"):
        headers = visitor.get(path).headers
        assert "private" in headers["Cache-Control"]
        assert {"Authorization", "Cookie"} <= set(headers["Vary"].split(", "))


def test_who_is_logged_in_gets_a_short_304_too(visitor: Visitor) -> None:
    visitor.log_in("vera")
    etag = visitor.get("/").headers["ETag"]
    assert visitor.get("/", headers={"If-None-Match": etag}).status_code == 304
    visitor.log_out()
    assert visitor.get("/", headers={"If-None-Match": etag}).status_code == 302


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(access: Access, tmp_path: Path, clock: Clock) -> Sessions:
    add_users(access)
    return Sessions(Database(tmp_path / "pirack.db"), clock=clock)


def begun(access: Access, sessions: Sessions) -> str:
    proof = access.users.proof("vera", PASSWORDS["vera"])
    assert proof is not None
    return sessions.begin("vera", proof)


def test_a_session_ends_when_nobody_uses_it(
    access: Access, sessions: Sessions, clock: Clock
) -> None:
    secret = begun(access, sessions)
    for _ in range(3):
        clock.now += IDLE_SECONDS - 1
        assert sessions.user(secret) is not None
    clock.now += IDLE_SECONDS + 1
    assert sessions.user(secret) is None


def test_a_session_ends_after_a_week_whoever_uses_it(
    access: Access, sessions: Sessions, clock: Clock
) -> None:
    secret = begun(access, sessions)
    for _ in range(int(ABSOLUTE_SECONDS // 3600) - 1):
        clock.now += 3600
        assert sessions.user(secret) is not None
    clock.now += 3601
    assert sessions.user(secret) is None


def test_old_sessions_do_not_pile_up(
    access: Access, sessions: Sessions, clock: Clock, tmp_path: Path
) -> None:
    for _ in range(5):
        begun(access, sessions)
        clock.now += IDLE_SECONDS + 1
    with Database(tmp_path / "pirack.db").connection() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


def test_the_database_holds_no_password_and_no_secret(
    visitor: Visitor, access: Access, tmp_path: Path
) -> None:
    Visitor(visitor.url).log_in("otto", "a wrong password")
    visitor.log_in("vera")
    token = access.tokens.add("ci", access.users.all()[0].role)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("pirack.db*"))
    secrets = [*PASSWORDS.values(), "a wrong password", visitor.session.cookies[COOKIE], token]
    assert [secret for secret in secrets if secret.encode() in kept] == []
    assert (tmp_path / "pirack.db").stat().st_mode & 0o077 == 0


def test_no_page_and_no_log_line_tells_a_password(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answers: list[requests.Response] = [
        visitor.log_in("vera", "a wrong password"),
        visitor.log_in("vera"),
        visitor.change_password("a wrong password", NEW),
        visitor.change_password(PASSWORDS["vera"], NEW),
    ]
    said = "".join([*(answer.text for answer in answers), caplog.text, *capfd.readouterr()])
    for secret in ("a wrong password", PASSWORDS["vera"], NEW):
        assert secret not in said
