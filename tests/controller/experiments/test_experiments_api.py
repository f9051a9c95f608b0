"""Requests for experiments over the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role

EXPERIMENTS = "/api/v1.0/experiments"
EMPTY_PLAN = {"file": "raft.toml", "text": 'nodes = "01-1"\n', "seed": 7}


@pytest.fixture
def operator(client: FlaskClient, access: AccessControl) -> FlaskClient:
    """Client of an operator."""
    token = access.tokens.add("tests", Role.OPERATOR)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def post(client: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"{EXPERIMENTS}{path}", json=body)


def test_plan_is_returned_and_nothing_is_started(operator: FlaskClient) -> None:
    response = post(operator, "/plans", EMPTY_PLAN)
    assert response.status_code == 200
    assert response.json["plan"]["nodes"] == ["01-1"]
    assert response.json["plan_hash"] == post(operator, "/plans", EMPTY_PLAN).json["plan_hash"]
    assert operator.get(EXPERIMENTS).json == []


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('nodes = "01-99"', "raft.toml: nodes: "),
        ('nodes = "01-1"\n[[fault]]\nkind = "power"\npick = "all"\nat = "1 s"', "raft.toml: fault"),
        ('nodes = "01-1"\nstart = "start_raft"', "raft.toml: start: "),
        ("nodes = ", "raft.toml: not TOML: "),
    ],
)
@pytest.mark.parametrize("path", ["", "/plans"])
def test_wrong_plan_gets_one_line(operator: FlaskClient, path: str, text: str, detail: str) -> None:
    response = post(operator, path, EMPTY_PLAN | {"text": text})
    assert response.status_code == 422
    assert response.json["detail"].startswith(detail)
    assert "\n" not in response.json["detail"]
    assert operator.get(EXPERIMENTS).json == []


def test_viewer_may_not_read_or_start_experiments(
    client: FlaskClient, access: AccessControl
) -> None:
    token = access.tokens.add("viewer", Role.VIEWER)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert client.get(EXPERIMENTS).status_code == 403
    assert post(client, "", EMPTY_PLAN).status_code == 403


@pytest.mark.parametrize("path", ["", "/events", "/rates", "/metrics"])
def test_unknown_run_gets_404(operator: FlaskClient, path: str) -> None:
    response: Any = operator.get(f"{EXPERIMENTS}/12{path}")
    assert response.status_code == 404
    assert response.json["detail"] == "no run 12: the list of experiments shows the stored runs"


def test_replay_of_an_unknown_run_gets_404(operator: FlaskClient) -> None:
    assert post(operator, "", {"replay_of": 12}).status_code == 404


def test_request_without_a_file_and_a_replay_gets_422(operator: FlaskClient) -> None:
    assert post(operator, "", {"seed": 1}).status_code == 422
