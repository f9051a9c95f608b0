"""Who may do what: roles, tokens, and what becomes of those who may not."""

from pathlib import Path

import pytest
import requests
from flask import Flask

from controller.access import SAFE_METHODS, Access, actor, needs
from controller.problems import API_PREFIX
from controller.roles import Role
from controller.tokens import Tokens
from rack.database import Database
from rack.layout import Anonymous
from tests.controller.visitor import PASSWORDS, Visitor, add_users

SWITCH = "/api/v1.0/switch"


@pytest.fixture
def switched(app: Flask) -> list[str]:
    """Add to the app what an operator may do; return who did it."""
    done: list[str] = []

    @app.post(SWITCH)
    @needs(Role.OPERATOR)
    def switch() -> dict[str, str]:
        done.append(actor().name)
        return {}

    @app.post("/api/v1.0/forgotten")
    def forgotten() -> dict[str, str]:
        done.append(actor().name)
        return {}

    return done


@pytest.fixture
def visitor(switched: list[str], url: str, access: Access) -> Visitor:
    add_users(access)
    return Visitor(url)


def send(visitor: Visitor, token: str, path: str = SWITCH) -> requests.Response:
    return visitor.post(path, headers={"Authorization": f"Bearer {token}"}, json={})


def refusals(access: Access) -> list[tuple[str, str]]:
    return [
        (entry.event.who, entry.event.what)
        for entry in reversed(access.audit.newest(100))
        if entry.event.result == "refused"
    ]


@pytest.mark.parametrize("one", Role)
@pytest.mark.parametrize("other", Role)
def test_each_role_may_do_all_that_those_below_it_may(one: Role, other: Role) -> None:
    order = ["viewer", "operator", "admin"]
    assert one.covers(other) is (order.index(one) >= order.index(other))


def test_an_operators_token_does_what_an_operator_may(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    assert send(visitor, access.tokens.add("ci", Role.OPERATOR)).status_code == 200
    assert switched == ["token:ci"]


def test_a_viewers_token_looks_and_is_refused_more_with_a_403(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    token = access.tokens.add("screen", Role.VIEWER)
    looked = visitor.get("/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}"})
    assert looked.status_code == 200
    refused = send(visitor, token)
    assert refused.status_code == 403
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["detail"] == ("this needs the role operator, and token:screen is viewer")
    assert switched == []
    assert refusals(access) == [("token:screen", f"POST {SWITCH}")]


def test_who_has_not_said_who_it_is_is_refused_with_a_401(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    refused = visitor.post(SWITCH, json={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="the rack"'
    assert switched == []
    assert refusals(access) == [("anonymous", f"POST {SWITCH}")]


def test_what_nobody_thought_of_guarding_is_for_admins_alone(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    operator = access.tokens.add("ci", Role.OPERATOR)
    assert send(visitor, operator, "/api/v1.0/forgotten").status_code == 403
    admin = access.tokens.add("root", Role.ADMIN)
    assert send(visitor, admin, "/api/v1.0/forgotten").status_code == 200
    assert switched == ["token:root"]


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
    visitor: Visitor, token: str
) -> None:
    assert visitor.get("/api/v1.0/rasps").status_code == 200
    answer = visitor.get("/api/v1.0/rasps", headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401
    assert "error=invalid_token" in answer.headers["WWW-Authenticate"]


def test_a_revoked_token_is_void_at_once(visitor: Visitor, access: Access) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    assert send(visitor, token).status_code == 200
    access.tokens.revoke("ci")
    assert send(visitor, token).status_code == 401


def test_a_token_holds_until_it_expires(tmp_path: Path) -> None:
    now = 1e9
    tokens = Tokens(Database(tmp_path / "pirack.db"), clock=lambda: now)
    secret = tokens.add("ci", Role.OPERATOR, lifetime=60)
    now += 59
    assert tokens.find(secret) is not None
    now += 1
    assert tokens.find(secret) is None


def test_an_expired_token_is_refused(visitor: Visitor, access: Access) -> None:
    token = access.tokens.add("old", Role.OPERATOR, lifetime=-1)
    assert send(visitor, token).status_code == 401


def test_a_session_alone_does_not_write_without_its_csrf_token(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    visitor.log_in("otto")
    token = visitor.token_of("/account")
    assert visitor.post(SWITCH, json={}).status_code == 403
    assert refusals(access) == [("otto", f"POST {SWITCH}")]
    assert switched == []
    assert visitor.post(SWITCH, json={}, headers={"X-CSRF-Token": token}).status_code == 200
    assert switched == ["otto"]


def test_a_viewers_session_is_refused_more_than_looking(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    visitor.log_in("vera")
    headers = {"X-CSRF-Token": visitor.token_of("/account")}
    assert visitor.post(SWITCH, json={}, headers=headers).status_code == 403
    assert switched == []
    assert refusals(access) == [("vera", f"POST {SWITCH}")]


def test_a_token_counts_more_than_a_session_beside_it(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    visitor.log_in("otto")
    assert send(visitor, access.tokens.add("screen", Role.VIEWER)).status_code == 403
    assert send(visitor, "wrong").status_code == 401
    assert switched == []


def test_a_token_has_no_account_and_no_password(visitor: Visitor, access: Access) -> None:
    token = access.tokens.add("ci", Role.ADMIN)
    assert send(visitor, token, "/account/password").status_code == 403
    answer = visitor.get("/account", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_a_flood_of_refused_attempts_does_not_fill_the_disk(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    statuses = [visitor.post(SWITCH).status_code for _ in range(60)]
    assert statuses[:30] == [401] * 30
    assert statuses[-1] == 429
    assert len(refusals(access)) == statuses.count(401) < 40
    answer = visitor.post(SWITCH)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert send(visitor, access.tokens.add("ci", Role.OPERATOR)).status_code == 200


def test_where_everybody_may_look_the_first_page_says_so(visitor: Visitor) -> None:
    page = visitor.get("/")
    assert page.status_code == 200
    assert "Everybody who reaches this page may look." in page.text
    visitor.log_in("vera")
    assert "Everybody who reaches this page" not in visitor.get("/").text


def test_who_only_looks_has_no_account(visitor: Visitor) -> None:
    answer = visitor.get("/account")
    assert answer.headers["Location"] == "/login?next=/account"
    fields = {"password": PASSWORDS["vera"], "csrf_token": visitor.token_of("/login")}
    assert visitor.post("/account/password", data=fields).status_code == 401


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
                closed = 401 if path.startswith(API_PREFIX) else 302
                with client.get(path, environ_base={"REMOTE_ADDR": "10.23.0.9"}) as answer:
                    assert answer.status_code == (200 if is_open else closed), path


def test_a_damaged_database_refuses_those_who_say_who_they_are_and_lets_others_look(
    visitor: Visitor, access: Access, switched: list[str], tmp_path: Path
) -> None:
    token = access.tokens.add("ci", Role.OPERATOR)
    for file in tmp_path.glob("pirack.db*"):
        file.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    assert send(visitor, token).status_code == 503
    assert switched == []
    assert visitor.get("/api/v1.0/rack").status_code == 200
    assert visitor.get("/healthz").status_code == 200


def test_what_cannot_be_written_into_the_audit_is_refused_all_the_same(
    visitor: Visitor, access: Access, switched: list[str]
) -> None:
    token = access.tokens.add("screen", Role.VIEWER)
    with access.audit._database.connection() as connection:
        connection.execute("DROP TABLE audit")
    assert send(visitor, token).status_code == 503
    assert switched == []
    visitor.session.cookies.clear()
    assert visitor.log_in("vera").status_code == 503
    assert not visitor.is_logged_in
