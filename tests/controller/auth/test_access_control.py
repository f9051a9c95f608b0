"""Tests of roles, tokens and rejected requests."""

import re
from pathlib import Path

import pytest
import requests
from flask import Flask

from controller import API_PREFIX
from controller.auth.access_control import SAFE_METHODS, AccessControl, current_actor, requires_role
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from rack.database import Database
from rack.settings import Anonymous
from tests.controller.http_client import PASSWORDS, BrowserSession, add_users

SWITCH = f"{API_PREFIX}/switch"
UNMARKED = f"{API_PREFIX}/unmarked"


@pytest.fixture
def switch_calls(app: Flask) -> list[str]:
    """Add a path for operators and a path without a decorator. Return a list of the callers."""
    actors: list[str] = []

    @app.post(SWITCH)
    @requires_role(Role.OPERATOR)
    def switch() -> dict[str, str]:
        actors.append(current_actor().name)
        return {}

    @app.post(UNMARKED)
    def unmarked() -> dict[str, str]:
        actors.append(current_actor().name)
        return {}

    return actors


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
        (record.event.actor, record.event.action)
        for record in reversed(access.audit.list_recent(100))
        if record.event.result == "refused"
    ]


@pytest.mark.parametrize("one", Role)
@pytest.mark.parametrize("other", Role)
def test_role_includes_all_lower_roles(one: Role, other: Role) -> None:
    order = ["viewer", "operator", "admin"]
    assert one.includes(other) is (order.index(one) >= order.index(other))


def test_operator_token_may_write(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    assert (
        post_with_token(browser_session, access.tokens.add("ci", Role.OPERATOR)).status_code == 200
    )
    assert switch_calls == ["token:ci"]


def test_viewer_token_may_read_only(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    token = access.tokens.add("screen", Role.VIEWER)
    read = browser_session.get("/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}"})
    assert read.status_code == 200
    refused = post_with_token(browser_session, token)
    assert refused.status_code == 403
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == "role operator is required, but token:screen is viewer"
    assert switch_calls == []
    assert refusals(access) == [("token:screen", f"POST {SWITCH}")]


def test_anonymous_write_gets_401(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    refused = browser_session.post(SWITCH, json={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert switch_calls == []
    assert refusals(access) == [("anonymous", f"POST {SWITCH}")]


def test_write_without_a_decorator_requires_admin(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    operator = access.tokens.add("ci", Role.OPERATOR)
    assert post_with_token(browser_session, operator, UNMARKED).status_code == 403
    admin = access.tokens.add("root", Role.ADMIN)
    assert post_with_token(browser_session, admin, UNMARKED).status_code == 200
    assert switch_calls == ["token:root"]


def test_every_write_endpoint_has_a_decorator(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if (rule.methods or set()) - SAFE_METHODS:
            view = app.view_functions[rule.endpoint]
            assert hasattr(view, "required_role") or hasattr(view, "required_bearer"), rule


@pytest.mark.parametrize(
    "token",
    ["", "x", "pirack_", "pirack_" + "A" * 43, "é" * 10, "x" * 10_000, "' OR 1=1 --"],
)
def test_invalid_token_is_rejected_with_anonymous_access(
    browser_session: BrowserSession, token: str
) -> None:
    assert browser_session.get("/api/v1.0/rasps").status_code == 200
    response = browser_session.get(
        "/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}".encode()}
    )
    assert response.status_code == 401
    assert "error=invalid_token" in response.headers["WWW-Authenticate"]


def test_revoked_token_is_rejected(browser_session: BrowserSession, access: AccessControl) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    assert post_with_token(browser_session, token).status_code == 200
    access.tokens.revoke("ci")
    assert post_with_token(browser_session, token).status_code == 401


def test_token_is_valid_until_it_expires(tmp_path: Path) -> None:
    now = 1e9
    tokens = Tokens(Database(tmp_path / "pirack.db"), clock=lambda: now)
    secret = tokens.add("ci", Role.OPERATOR, lifetime=60)
    now += 59
    assert tokens.authenticate(secret) is not None
    now += 1
    assert tokens.authenticate(secret) is None


def test_expired_token_is_rejected(browser_session: BrowserSession, access: AccessControl) -> None:
    token = access.tokens.add("old", Role.OPERATOR, lifetime=-1)
    assert post_with_token(browser_session, token).status_code == 401


def test_session_write_requires_the_csrf_token(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("otto")
    token = browser_session.csrf_token("/account")
    assert browser_session.post(SWITCH, json={}).status_code == 403
    assert refusals(access) == [("otto", f"POST {SWITCH}")]
    assert switch_calls == []
    assert browser_session.post(SWITCH, json={}, headers={"X-CSRF-Token": token}).status_code == 200
    assert switch_calls == ["otto"]


def test_viewer_session_may_read_only(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("vera")
    headers = {"X-CSRF-Token": browser_session.csrf_token("/account")}
    assert browser_session.post(SWITCH, json={}, headers=headers).status_code == 403
    assert switch_calls == []
    assert refusals(access) == [("vera", f"POST {SWITCH}")]


def test_token_takes_precedence_over_a_session(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    browser_session.log_in("otto")
    assert (
        post_with_token(browser_session, access.tokens.add("screen", Role.VIEWER)).status_code
        == 403
    )
    assert post_with_token(browser_session, "wrong").status_code == 401
    assert switch_calls == []


def test_token_has_no_account(browser_session: BrowserSession, access: AccessControl) -> None:
    token = access.tokens.add("ci", Role.ADMIN)
    assert post_with_token(browser_session, token, "/account/password").status_code == 403
    response = browser_session.get("/account", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403


def test_audit_events_of_rejected_requests_are_limited(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str]
) -> None:
    statuses = [browser_session.post(SWITCH).status_code for _ in range(60)]
    assert statuses[:30] == [401] * 30
    assert statuses[-1] == 429
    [record] = access.audit.list_recent(100)
    assert record.count == statuses.count(401) < 40
    response = browser_session.post(SWITCH)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Retry-After"]) >= 1
    assert (
        post_with_token(browser_session, access.tokens.add("ci", Role.OPERATOR)).status_code == 200
    )


def test_rack_page_mentions_anonymous_access(browser_session: BrowserSession) -> None:
    page = browser_session.get("/")
    assert page.status_code == 200
    assert "Read-only access without login." in page.text
    browser_session.log_in("vera")
    assert "Read-only access without login" not in browser_session.get("/").text


def test_anonymous_reader_has_no_account(browser_session: BrowserSession) -> None:
    response = browser_session.get("/account")
    assert response.headers["Location"] == "/login?next=/account"
    fields = {
        "current_password": PASSWORDS["vera"],
        "csrf_token": browser_session.csrf_token("/login"),
    }
    assert browser_session.post("/account/password", data=fields).status_code == 401


class TestWithoutAnonymousAccess:
    @pytest.fixture
    def anonymous(self) -> Anonymous:
        return "none"

    def test_all_paths_except_login_and_static_files_require_a_session(self, app: Flask) -> None:
        client = app.test_client()
        for rule in app.url_map.iter_rules():
            path = re.sub(r"<int:\w+>", "1", re.sub(r"<rasp:\w+>", "03-2", rule.rule))
            path = path.replace("<path:filename>", "auto_refresh.js")
            if "GET" in (rule.methods or set()):
                is_public = path.startswith(("/login", "/static/", "/manifest.webmanifest"))
                rejected = 401 if path.startswith(API_PREFIX) else 302
                with client.get(path, environ_base={"REMOTE_ADDR": "10.23.0.9"}) as response:
                    assert response.status_code == (200 if is_public else rejected), path


def test_damaged_database_prevents_token_access_and_allows_anonymous_reads(
    browser_session: BrowserSession, access: AccessControl, switch_calls: list[str], tmp_path: Path
) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    for file in tmp_path.glob("pirack.db*"):
        file.write_bytes(b"not a database, but long enough for its header" * 20)
    assert post_with_token(browser_session, token).status_code == 503
    assert switch_calls == []
    assert browser_session.get("/api/v1.0/rack").status_code == 200
    assert browser_session.get("/healthz").status_code == 200


def test_request_is_rejected_if_the_audit_cannot_be_written(
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
