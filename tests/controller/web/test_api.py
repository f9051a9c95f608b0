"""Tests of the API of rasps, stacks, rack and master."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.controller.fakes import FakeRackState


def get_json(client: FlaskClient, path: str) -> Any:
    response = client.get(f"/api/v1.0/{path}")
    assert response.status_code == 200, response.text
    assert response.content_type == "application/json"
    return response.json


def rasp_names(rasps: Any) -> list[str]:
    return [rasp["name"] for rasp in rasps]


def get_problem_detail(client: FlaskClient, path: str, status: int) -> str:
    response = client.get(path)
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["status"] == status
    return str(response.json["detail"])


def test_rasps_are_listed_with_identity_and_state(client: FlaskClient) -> None:
    rasps = get_json(client, "rasps")
    assert [rasp["id"] for rasp in rasps] == list(range(1, 49))
    assert {rasp["state"] for rasp in rasps} == {"up"}
    assert rasps[9] == {
        "id": 10,
        "name": "03-2",
        "host_name": "rasp-03-2",
        "stack": 3,
        "slot": 2,
        "mac": "b8:27:eb:00:00:0a",
        "ip": "127.23.3.2",
        "state": "up",
        "reason": "",
        "operation": None,
        "last_seen_at": None,
        "last_temperature_celsius": None,
        "temperature_level": "normal",
        "temperature_celsius": None,
        "load1": None,
        "cpu_busy_cores": None,
        "memory_available_bytes": None,
        "memory_total_bytes": None,
        "conditions": None,
        "conditions_since_boot": None,
        "boot_time_seconds": None,
        "uptime_seconds": None,
        "clock_offset_seconds": None,
        "is_clock_off": None,
        "answers_ping": None,
        "pinged_at": None,
        "power": "unknown",
        "outlet": None,
    }


@pytest.mark.parametrize("form", ["10", "03-2", "rasp-03-2", "RASP-03-2", "3/2", "3%2F2"])
def test_rasp_is_returned_by_every_printed_form(client: FlaskClient, form: str) -> None:
    assert get_json(client, f"rasps/{form}") == get_json(client, "rasps")[9]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("stack=3", ["03-1", "03-2", "03-3", "03-4"]),
        ("state=down", ["03-2", "07-1"]),
        ("stack=7&state=down", ["07-1"]),
        ("q=10", ["03-2"]),
        ("q=3/2", ["03-2"]),
        ("q=RASP-03-2", ["03-2"]),
        ("q=B8:27:EB:00:00:0A", ["03-2"]),
        ("q=127.23.3.2", ["03-2"]),
        ("q=1/2", ["01-2"]),
        ("q=1/", ["01-1", "01-2", "01-3", "01-4", "11-1", "11-2", "11-3", "11-4"]),
        ("q=nothing", []),
    ],
)
def test_rasps_are_filtered_by_stack_state_and_name(
    client: FlaskClient, rack_state: FakeRackState, query: str, names: list[str]
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "07-1": 0.0}
    assert rasp_names(get_json(client, f"rasps?{query}")) == names


def test_stacks_have_rasps_and_positions(client: FlaskClient) -> None:
    stacks = get_json(client, "stacks")
    assert [(stack["number"], stack["x"], stack["y"]) for stack in stacks] == [
        (n, n - 1, 0) for n in range(1, 13)
    ]
    assert rasp_names(stacks[2]["rasps"]) == ["03-1", "03-2", "03-3", "03-4"]
    assert get_json(client, "stacks/3") == stacks[2]


def test_rack_counts_the_states_of_its_rasps(
    client: FlaskClient, rack_state: FakeRackState
) -> None:
    rack_state.state_values |= {"03-2": 0.0, "03-3": 4.0}
    assert get_json(client, "rack")["states"] == {"up": 46, "down": 1, "off": 1, "unknown": 0}


def test_master_returns_memory_and_disk(client: FlaskClient) -> None:
    master = get_json(client, "master")
    assert 0 < master["memory_available_bytes"] < master["memory_total_bytes"]
    assert 0 < master["disk_available_bytes"] < master["disk_size_bytes"]


def test_states_are_unknown_without_prometheus(
    client: FlaskClient, rack_state: FakeRackState
) -> None:
    rack_state.error = "Prometheus at http://127.0.0.1:9090 cannot be reached"
    rack = get_json(client, "rack")
    assert rack["states"]["unknown"] == 48
    assert rack["error"] == rack_state.error
    assert get_json(client, "rasps/10")["reason"] == rack_state.error


def test_unchanged_response_is_304(client: FlaskClient, rack_state: FakeRackState) -> None:
    first = client.get("/api/v1.0/rasps")
    again = client.get("/api/v1.0/rasps", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get("/api/v1.0/rack", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/v1.0/rasps/49", 404, "no rasp 49: this rack has rasps 1 to 48"),
        ("/api/v1.0/rasps/0", 404, "no rasp 0"),
        ("/api/v1.0/stacks/13", 404, "no stack 13: this rack has stacks 1 to 12"),
        ("/api/v1.0/rasps?stack=13", 404, "no stack 13"),
        ("/api/v1.0/nothing", 404, "nothing exists at this address"),
        ("/api/v1.0/rasps/x", 404, "nothing exists at this address"),
        ("/api/v1.0/rasps/1-4", 404, "1-4 is not the name of a rasp: write 01-4 or 1/4"),
        ("/api/v1.0/rasps/01-9", 404, "no slot 1/9 (01-9): stack 1 has slots 1 to 4"),
        ("/api/v1.0/rasps?state=asleep", 422, "state: Input should be 'up', 'down'"),
        ("/api/v1.0/rasps?stack=three", 422, "stack: Input should be a valid integer"),
        ("/api/v1.0/rasps?color=red", 422, "color: Extra inputs are not permitted"),
        ("/api/v1.0/rasps?stack=3&stack=4", 422, "stack: Input should be a valid integer"),
        ("/api/v1.0/rack?stack=3", 422, "stack: Extra inputs are not permitted"),
    ],
)
def test_invalid_path_or_query_returns_a_problem(
    client: FlaskClient, path: str, status: int, message: str
) -> None:
    assert message in get_problem_detail(client, path, status)


def test_unsupported_method_returns_the_allowed_methods(client: FlaskClient) -> None:
    response = client.post("/api/v1.0/rasps", json={})
    assert response.status_code == 405
    assert response.content_type == "application/problem+json"
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_broken_database_causes_status_503_with_its_path(
    client: FlaskClient, rack_state: FakeRackState
) -> None:
    rack_state.is_database_broken = True
    assert "pirack.db" in get_problem_detail(client, "/api/v1.0/rasps", 503)


def test_unexpected_error_is_logged_and_returns_no_details(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/api/v1.0/broken")
    def broken() -> str:
        raise RuntimeError("detail of the code")

    response = app.test_client().get("/api/v1.0/broken")
    assert (response.status_code, response.content_type) == (500, "application/problem+json")
    assert "detail of the code" not in response.text
    assert "detail of the code" in caplog.text


def test_health_check_returns_ok(client: FlaskClient) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")
