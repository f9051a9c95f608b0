"""Who may do what: roles, tokens, and what becomes of those who may not."""

from pathlib import Path

import pytest
import requests
from flask import Flask

from controller.auth.access_control import SAFE_METHODS, AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.web.problems import API_ROOT
from rack.database import Database
from rack.layout import Anonymous
from tests.controller.http_client import PASSWORDS, BrowserSession, add_users

SWITCH = "/api/v1.0/switch"


@pytest.fixture
def switch_calls(app: Flask) -> list[str]:
    """Add to the app what an operator may do; return who did it."""
    done: list[str] = []

    @app.post(SWITCH)
    @requires_role(Role.OPERATOR)
    def switch() -> dict[str, str]:
        done.append(current_actor().name)
        return {}

    @app.post("/api/v1.0/forgotten")
    def forgotten() -> dict[str, str]:
        done.append(current_actor().name)
        return {}

    return done


@pytest.fixture
def browser_session(switch_calls: list[str], url: str, access: AccessControl) -> BrowserSession:
    add_users(access)
    return BrowserSession(url)


def post_with_token(
    browser_session: BrowserSession, token: str, path: str = SWITCH
) -> requests.Response:
    return browser_session.post(path, headers={"Authorization": f"Bearer {token}"}, json={})


def refusals(access: AccessControl) -> list[tuple[str, str]]:
    return [
        (entry.event.actor, entry.event.action)
        for entry in reversed(access.audit.list_recent(100))
        if entry.event.result == "refused"
    ]


@pytest.mark.parametrize("one", Role)
@pytest.mark.parametrize("other", Role)
def test_each_role_may_do_all_that_those_below_it_may(one: Role, other: Role) -> None:
    order = ["viewer", "operator", "admin"]
    assert one.includes(other) is (order.index(one) >= order.index(other))


def test_an_operators_token_does_what_an_operator_may(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    assert (
        post_with_token(browser_session, access.tokens.add("ci", Role.OPERATOR)).status_code == 200
    )
    assert switch_calls == ["token:ci"]


def test_a_viewers_token_looks_and_is_refused_more_with_a_403(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    token = access.tokens.add("screen", Role.VIEWER)
    looked = browser_session.get("/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}"})
    assert looked.status_code == 200
    refused = post_with_token(browser_session, token)
    assert refused.status_code == 403
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == ("this needs the role operator, and token:screen is viewer")
    assert switch_calls == []
    assert refusals(access) == [("token:screen", f"POST {SWITCH}")]


def test_who_has_not_said_who_it_is_is_refused_with_a_401(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    refused = browser_session.post(SWITCH, json={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert switch_calls == []
    assert refusals(access) == [("anonymous", f"POST {SWITCH}")]


def test_what_nobody_thought_of_guarding_is_for_admins_alone(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    operator = access.tokens.add("ci", Role.OPERATOR)
    assert post_with_token(browser_session, operator, "/api/v1.0/forgotten").status_code == 403
    admin = access.tokens.add("root", Role.ADMIN)
    assert post_with_token(browser_session, admin, "/api/v1.0/forgotten").status_code == 200
    assert switch_calls == ["token:root"]


def test_every_way_to_do_something_says_which_role_it_needs(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if (rule.methods or set()) - SAFE_METHODS:
            view = app.view_functions[rule.endpoint]
            assert hasattr(view, "needed_role") or hasattr(view, "opening_secret"), rule


@pytest.mark.parametrize(
    "token",
    ["", "x", "pirack_", "pirack_" + "A" * 43, "é" * 10, "x" * 10_000, "' OR 1=1 --"],
)
def test_a_wrong_token_is_refused_even_where_everybody_may_look(
    browser_session: BrowserSession, token: str
) -> None:
    assert browser_session.get("/api/v1.0/rasps").status_code == 200
    answer = browser_session.get(
        "/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}".encode()}
    )
    assert answer.status_code == 401
    assert "error=invalid_token" in answer.headers["WWW-Authenticate"]


def test_a_revoked_token_is_void_at_once(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    assert post_with_token(browser_session, token).status_code == 200
    access.tokens.revoke("ci")
    assert post_with_token(browser_session, token).status_code == 401


def test_a_token_holds_until_it_expires(tmp_path: Path) -> None:
    now = 1e9
    tokens = Tokens(Database(tmp_path / "pirack.db"), clock=lambda: now)
    secret = tokens.add("ci", Role.OPERATOR, lifetime=60)
    now += 59
    assert tokens.authenticate(secret) is not None
    now += 1
    assert tokens.authenticate(secret) is None


def test_an_expired_token_is_refused(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    token = access.tokens.add("old", Role.OPERATOR, lifetime=-1)
    assert post_with_token(browser_session, token).status_code == 401


def test_a_session_alone_does_not_write_without_its_csrf_token(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("otto")
    token = browser_session.csrf_token("/account")
    assert browser_session.post(SWITCH, json={}).status_code == 403
    assert refusals(access) == [("otto", f"POST {SWITCH}")]
    assert switch_calls == []
    assert browser_session.post(SWITCH, json={}, headers={"X-CSRF-Token": token}).status_code == 200
    assert switch_calls == ["otto"]


def test_a_viewers_session_is_refused_more_than_looking(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("vera")
    headers = {"X-CSRF-Token": browser_session.csrf_token("/account")}
    assert browser_session.post(SWITCH, json={}, headers=headers).status_code == 403
    assert switch_calls == []
    assert refusals(access) == [("vera", f"POST {SWITCH}")]


def test_a_token_counts_more_than_a_session_beside_it(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("otto")
    assert (
        post_with_token(browser_session, access.tokens.add("screen", Role.VIEWER)).status_code
        == 403
    )
    assert post_with_token(browser_session, "wrong").status_code == 401
    assert switch_calls == []


def test_a_token_has_no_account_and_no_password(
    browser_session: BrowserSession, access: AccessControl
) -> None:
    token = access.tokens.add("ci", Role.ADMIN)
    assert post_with_token(browser_session, token, "/account/password").status_code == 403
    answer = browser_session.get("/account", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_a_flood_of_refused_attempts_does_not_fill_the_disk(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    statuses = [browser_session.post(SWITCH).status_code for _ in range(60)]
    assert statuses[:30] == [401] * 30
    assert statuses[-1] == 429
    assert len(refusals(access)) == statuses.count(401) < 40
    answer = browser_session.post(SWITCH)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert (
        post_with_token(browser_session, access.tokens.add("ci", Role.OPERATOR)).status_code == 200
    )


def test_where_everybody_may_look_the_first_page_says_so(browser_session: BrowserSession) -> None:
    page = browser_session.get("/")
    assert page.status_code == 200
    assert "Everybody who reaches this page may look." in page.text
    browser_session.log_in("vera")
    assert "Everybody who reaches this page" not in browser_session.get("/").text


def test_who_only_looks_has_no_account(browser_session: BrowserSession) -> None:
    answer = browser_session.get("/account")
    assert answer.headers["Location"] == "/login?next=/account"
    fields = {"password": PASSWORDS["vera"], "csrf_token": browser_session.csrf_token("/login")}
    assert browser_session.post("/account/password", data=fields).status_code == 401


class TestNobody:
    """Where nobody may look without having logged in."""

    @pytest.fixture
    def anonymous(self) -> Anonymous:
        return "nobody"

    def test_every_path_but_the_log_in_is_closed(self, app: Flask) -> None:
        client = app.test_client()
        for rule in app.url_map.iter_rules():
            path = rule.rule.replace("<int:number>", "1").replace("<path:filename>", "live.js")
            if "GET" in (rule.methods or set()):
                is_open = path.startswith(("/login", "/static/"))
                closed = 401 if path.startswith(API_ROOT) else 302
                with client.get(path, environ_base={"REMOTE_ADDR": "10.23.0.9"}) as answer:
                    assert answer.status_code == (200 if is_open else closed), path


def test_a_damaged_database_refuses_those_who_say_who_they_are_and_lets_others_look(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str], tmp_path: Path
) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    for file in tmp_path.glob("pirack.db*"):
        file.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    assert post_with_token(browser_session, token).status_code == 503
    assert switch_calls == []
    assert browser_session.get("/api/v1.0/rack").status_code == 200
    assert browser_session.get("/healthz").status_code == 200


def test_what_cannot_be_written_into_the_audit_is_refused_all_the_same(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    token = access.tokens.add("screen", Role.VIEWER)
    with access.audit._database.connection() as connection:
        connection.execute("DROP TABLE audit")
    assert post_with_token(browser_session, token).status_code == 503
    assert switch_calls == []
    browser_session.session.cookies.clear()
    assert browser_session.log_in("vera").status_code == 503
    assert not browser_session.is_logged_in
