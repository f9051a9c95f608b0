"""The API of reservations and quotas, and orders on reserved stacks."""

from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.errors import StackReservedError
from controller.reservations.service import ReservationService
from tests.controller.http_client import add_users

API = "/api/v1.0"

Headers = Mapping[str, str]


class ApiUser:
    """A program with a token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def request(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        response = self._client.open(
            f"{API}/{path}", method=method, json=body or None, headers=self._headers
        )
        assert response.status_code == status, response.text
        return response.json


@pytest.fixture
def anna(client: FlaskClient, access: AccessControl) -> ApiUser:
    return ApiUser(client, access.tokens.add("anna", Role.OPERATOR))


@pytest.fixture
def ben(client: FlaskClient, access: AccessControl) -> ApiUser:
    return ApiUser(client, access.tokens.add("ben", Role.OPERATOR))


@pytest.fixture
def root(client: FlaskClient, access: AccessControl) -> ApiUser:
    return ApiUser(client, access.tokens.add("root", Role.ADMIN))


def test_reservation_is_made_extended_and_handed_back(anna: ApiUser, ben: ApiUser) -> None:
    reservation = anna.request("POST", "reservations", selection="3 stacks", seconds=1200)
    assert (reservation["state"], reservation["stacks"]) == ("active", [1, 2, 3])
    path = f"reservations/{reservation['id']}"
    extended = anna.request("POST", f"{path}/extend", seconds=600)
    assert 1790 < extended["seconds_left"] <= 1800
    [seen] = ben.request("GET", "reservations")
    assert (seen["owner"], seen["is_mine"]) == ("token:anna", False)
    ended = anna.request("DELETE", path)
    assert (ended["state"], ended["end_reason"]) == ("ended", "handed back")
    assert ben.request("GET", "reservations") == []


def test_queue_shows_position_and_wait(anna: ApiUser, ben: ApiUser) -> None:
    anna.request("POST", "reservations", selection="all", seconds=1200)
    queued = ben.request("POST", "reservations", selection="3 stacks", seconds=1200)
    assert (queued["state"], queued["position"], queued["stacks"]) == ("queued", 1, [])
    assert 1190 < queued["wait_seconds"] <= 1200


def test_rights_of_others_are_refused(anna: ApiUser, ben: ApiUser, root: ApiUser) -> None:
    number = anna.request("POST", "reservations", selection="stack 3", seconds=60)["id"]
    path = f"reservations/{number}"
    for call in (("DELETE", path), ("POST", f"{path}/renew")):
        assert "belongs to token:anna" in ben.request(*call, status=409)["detail"]
    ben.request("POST", f"{path}/take-over", status=403)
    assert root.request("POST", f"{path}/take-over")["owner"] == "token:root"
    anna.request("GET", "reservations/99", status=404)


@pytest.mark.parametrize(
    "body",
    [
        {"selection": "three stacks", "seconds": 60},
        {"selection": "99 stacks", "seconds": 60},
        {"selection": "1 stack", "seconds": 0},
        {"selection": "1 stack"},
        {"selection": "1 stack", "seconds": 60, "lease_seconds": 1},
    ],
)
def test_wrong_request_is_refused(anna: ApiUser, body: dict[str, Any]) -> None:
    anna.request("POST", "reservations", status=422, **body)
    assert anna.request("GET", "reservations") == []


def test_quota_is_set_by_admins_and_limits_operators(anna: ApiUser, root: ApiUser) -> None:
    anna.request("PUT", "quotas/class", status=403, stacks=3, seconds=1200)
    quota = root.request("PUT", "quotas/class", stacks=3, seconds=1200)
    assert quota == {"name": "class", "members": ["*"], "stacks": 3, "seconds": 1200.0}
    assert anna.request("GET", "quotas") == [quota]
    problem = anna.request("POST", "reservations", 409, selection="4 stacks", seconds=60)
    assert "quota class allows 3 stacks" in problem["detail"]
    root.request("POST", "reservations", selection="4 stacks", seconds=60)
    root.request("DELETE", "quotas/class")
    root.request("DELETE", "quotas/class", status=404)


def test_tokens_of_a_user_share_the_reservations_and_the_quota_of_the_user(
    client: FlaskClient, access: AccessControl, reservations: ReservationService, root: ApiUser
) -> None:
    add_users(access)
    one, other = (
        ApiUser(client, access.tokens.add_for_user("otto", name, Role.OPERATOR))
        for name in ("laptop", "cron")
    )
    root.request("PUT", "quotas/class", members=["otto"], stacks=3, seconds=1200)
    reservation = one.request("POST", "reservations", selection="stacks 1 2", seconds=600)
    assert (reservation["owner"], reservation["is_mine"]) == ("otto", True)
    problem = other.request("POST", "reservations", 409, selection="2 stacks", seconds=600)
    assert "otto already has or waits for 2" in problem["detail"]
    reservations.require_access([1, 2], "token:otto/cron")
    for actor in ("token:anna", "token:otto", "token:ott/o", "anna"):
        with pytest.raises(StackReservedError, match="stack 01 is reserved for otto"):
            reservations.require_access([1], actor)
    ended = other.request("DELETE", f"reservations/{reservation['id']}")
    assert ended["end_reason"] == "handed back"
