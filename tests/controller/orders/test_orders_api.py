"""Requests for orders that the API rejects, and dry runs."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.orders.service import OrderService
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import add_users, create_session

PREFIX = "/api/v1.0"


@pytest.fixture
def token(access: AccessControl) -> str:
    return access.tokens.add("tests", Role.OPERATOR)


def post(
    client: FlaskClient, path: str, body: Any, token: str | None, **options: Any
) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"{PREFIX}/{path}", json=body, headers=headers, **options)


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("rasps/execute", {"id": 1, "action": "explode"}, 422, "action"),
        ("rasps/execute", {"id": 1, "action": "power_off"}, 422, "action"),
        ("rasps/execute", {"id": 1, "action": "read"}, 422, "alias"),
        ("rasps/execute", {"id": 1, "action": "read", "alias": "nothing"}, 422, "alias"),
        ("rasps/execute", {"id": 1, "action": "ping", "alias": "cpu_load1"}, 422, "alias"),
        ("rasps/execute", {"id": 1, "action": "ping", "force": True}, 422, "force"),
        ("rasps/execute", {"id": 1, "ids": [1], "action": "ping"}, 422, ""),
        ("rasps/execute", {"action": "ping"}, 422, ""),
        ("rasps/execute", {"ids": [], "action": "ping"}, 422, "ids"),
        ("rasps/execute", {"id": "", "action": "ping"}, 422, "id"),
        ("rasps/execute", {"id": "one", "action": "ping"}, 404, None),
        ("rasps/execute", {"id": "1-4", "action": "ping"}, 404, None),
        ("rasps/execute", {"id": 1.5, "action": "ping"}, 422, "id"),
        ("rasps/execute", {"id": 0, "action": "ping"}, 422, "id"),
        ("rasps/execute", {"id": 1, "action": ["ping"]}, 422, "action"),
        ("rasps/execute", {"id": 1, "action": "ping", "dry_run": "yes"}, 422, "dry_run"),
        ("rasps/execute", [], 422, ""),
        ("rasps/execute", {"id": 49, "action": "ping"}, 404, None),
        ("stacks/execute", {"id": 13, "action": "power_on"}, 404, None),
        ("stacks/execute", {"id": 3, "action": "power_on", "force": True}, 422, "force"),
        ("rack/execute", {"id": 3, "action": "power_on"}, 422, "id"),
    ],
)
def test_execute_rejects_invalid_fields(
    client: FlaskClient,
    orders: OrderService,
    token: str,
    path: str,
    body: Any,
    status: int,
    field: str | None,
) -> None:
    response = post(client, path, body, token)
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    if field is not None:
        assert [error["field"] for error in response.json["errors"]] == [field]
    assert orders.list_recent(10) == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"action=ping&id=1", "application/x-www-form-urlencoded", 415),
        (b'{"action": "ping", "ids": [' + b"1," * 40_000 + b"1]}", "application/json", 413),
    ],
    ids=["incomplete", "not UTF-8", "nested", "form", "long"],
)
def test_execute_rejects_invalid_body(
    client: FlaskClient,
    orders: OrderService,
    token: str,
    data: bytes,
    content_type: str,
    status: int,
) -> None:
    response = client.post(
        f"{PREFIX}/rasps/execute",
        data=data,
        content_type=content_type,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert orders.list_recent(10) == []


@pytest.mark.parametrize("path", ["rasps/execute", "stacks/execute", "rack/execute"])
def test_execute_rejects_viewer_and_records_it_in_audit_log(
    client: FlaskClient, access: AccessControl, orders: OrderService, path: str
) -> None:
    viewer = access.tokens.add("viewer", Role.VIEWER)
    assert post(client, path, {"id": 1, "action": "reboot"}, viewer).status_code == 403
    assert post(client, path, {"id": 1, "action": "reboot"}, None).status_code == 401
    assert post(client, path, {"id": 1, "action": "reboot"}, "pirack_wrong").status_code == 401
    events = [record.event for record in access.audit.list_recent(3)]
    assert {(event.action, event.result) for event in events} == {
        (f"POST {PREFIX}/{path}", "refused")
    }
    assert {event.actor for event in events} == {"token:viewer", "anonymous"}
    assert orders.list_recent(10) == []


def test_execute_rejects_session_without_csrf_token(
    client: FlaskClient, access: AccessControl, orders: OrderService
) -> None:
    add_users(access)
    client.set_cookie("pirack_session", create_session(access, "otto"))
    response = post(client, "rack/execute", {"action": "power_off", "force": True}, None)
    assert response.status_code == 403
    assert orders.list_recent(10) == []


def test_cancel_rejects_revoked_token(
    client: FlaskClient, access: AccessControl, token: str
) -> None:
    order = post(client, "stacks/execute", {"id": 3, "action": "power_on"}, token)
    assert order.json is not None
    access.tokens.revoke("tests")
    response = client.delete(
        f"{PREFIX}/orders/{order.json['id']}", headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == 401


def test_audit_log_requires_operator(
    client: FlaskClient, access: AccessControl, token: str
) -> None:
    viewer = access.tokens.add("viewer", Role.VIEWER)
    for secret, status in ((viewer, 403), (token, 200)):
        response = client.get(f"{PREFIX}/audit", headers={"Authorization": f"Bearer {secret}"})
        assert response.status_code == status


def test_dry_run_names_down_and_unknown_rasps(
    client: FlaskClient, rack_state: FakeRackState, token: str
) -> None:
    rack_state.state_values |= {"03-1": 0.0, "03-2": 17.0}
    response = post(
        client,
        "stacks/execute",
        {"ids": [3], "action": "power_off", "force": True, "dry_run": True},
        token,
    )
    assert response.json == {
        "action": "power_off",
        "affected": ["03-2", "03-3", "03-4"],
        "already_down": ["03-1"],
        "stacks": [3],
        "outlets": ["GPIO18"],
        "warnings": [
            "power is cut under running systems: their SD cards may be damaged",
            "the state of these rasps is unknown: 03-2",
        ],
    }


def test_dry_run_of_ping_affects_nothing(client: FlaskClient, token: str) -> None:
    response = post(client, "rack/execute", {"action": "ping", "dry_run": True}, token)
    assert response.json == {
        "action": "ping",
        "affected": [],
        "already_down": [],
        "stacks": [],
        "outlets": [],
        "warnings": [],
    }
