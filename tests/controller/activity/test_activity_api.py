"""The activity in the API."""

import csv
import json
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from controller.auth.access_control import AccessControl
from controller.auth.login import log_in
from controller.auth.roles import Role
from controller.orders.model import OrderRequest, OrderState
from controller.orders.service import OrderService
from controller.state.changes import STATE_CHANGE_SERIES
from rack.database import Database
from tests.controller.http_client import PASSWORDS, add_users
from tests.controller.state.test_prometheus import http_server_answering
from tests.helpers.waiting import wait_until

ACTIVITY = "/api/v1.0/activity"


class FakeRecording:
    """Changes of states that Prometheus recorded, which a test sets."""

    def __init__(self) -> None:
        self.states: dict[str, list[tuple[float, str]]] = {}
        self.since = 0.0

    def answer(self, path: str) -> bytes:
        [query] = parse_qs(urlsplit(path).query)["query"]
        if not query.startswith("{"):
            return self._data("vector", [{"metric": {}, "value": [0, str(self.since)]}])
        series = [
            {"metric": {"__name__": STATE_CHANGE_SERIES, "rasp": rasp}, "values": samples}
            for rasp, samples in self.states.items()
        ]
        return self._data("matrix", series)

    @staticmethod
    def _data(kind: str, result: list[Any]) -> bytes:
        return json.dumps({"data": {"resultType": kind, "result": result}}).encode()


@pytest.fixture
def recording() -> FakeRecording:
    return FakeRecording()


@pytest.fixture
def prometheus(recording: FakeRecording) -> Iterator[str]:
    with http_server_answering(lambda path: (200, recording.answer(path))) as url:
        yield url


@pytest.fixture
def operator(client: FlaskClient, access: AccessControl) -> FlaskClient:
    """Client of an operator."""
    token = access.tokens.add("tests", Role.OPERATOR)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def run_order(orders: OrderService, action: str, *stacks: int) -> int:
    """Run a forced order. Return its id."""
    request = OrderRequest(action, "stacks", stacks, force=action != "power_on")
    number = orders.submit(request, "=alice", "").id
    wait_until(lambda: orders.get(number).state is OrderState.DONE)
    return number


def read(client: FlaskClient, query: str = "") -> Any:
    response = client.get(f"{ACTIVITY}{query}")
    assert response.status_code == 200, response.text
    return response.json


def event_texts(client: FlaskClient, query: str = "") -> list[str]:
    return [event["text"] for event in read(client, query)["events"]]


def test_orders_edges_states_and_logins_are_listed_with_their_causes(
    orders: OrderService, operator: FlaskClient, access: AccessControl, recording: FakeRecording
) -> None:
    add_users(access)
    log_in(access, "otto", PASSWORDS["otto"], "10.23.0.9", "Firefox")
    number = run_order(orders, "power_off", 3)
    recording.states = {"03-2": [(time.time() - 0.01, "4")]}
    activity = read(operator)
    assert activity["unavailable"] == []
    assert activity["next"] is None
    events = {event["text"]: event for event in activity["events"]}
    cause, actor = f"order {number}", "=alice"
    for text in ("stack 03 off", "03-2 off"):
        assert (events[text]["cause"], events[text]["actor"]) == (cause, actor)
    assert [event["text"] for event in activity["events"]] == [
        "03-2 off",
        "stack 03 off",
        *[text for text in events if text.startswith(f"{cause}: power off (force) stack 03: ")],
        "otto logged in from 10.23.0.9",
    ]


def test_filters_select_kinds_targets_actors_and_times(
    orders: OrderService, operator: FlaskClient
) -> None:
    run_order(orders, "power_off", 3)
    run_order(orders, "power_off", 5)
    assert event_texts(operator, "?kind=power") == ["stack 05 off", "stack 03 off"]
    assert event_texts(operator, "?kind=power&target=3/2") == ["stack 03 off"]
    assert len(event_texts(operator, "?kind=power&kind=order&target=5&actor=ALICE")) == 2
    assert event_texts(operator, "?actor=bob") == []
    assert event_texts(operator, "?end=1000") == []
    [newest, _] = read(operator, "?kind=power")["events"]
    assert event_texts(operator, f"?kind=power&end={newest['time'] - 0.001}") == ["stack 03 off"]
    response = operator.get(f"{ACTIVITY}?target=99")
    assert response.status_code == 404
    assert operator.get(f"{ACTIVITY}?kind=coffee").status_code == 422


def test_pages_are_linked(orders: OrderService, operator: FlaskClient) -> None:
    for _ in range(3):
        run_order(orders, "power_off", 3)
        run_order(orders, "power_on", 3)
    response = operator.get(f"{ACTIVITY}?kind=power&limit=4")
    assert response.json
    assert len(response.json["events"]) == 4
    url, _, relation = response.headers["Link"].partition("; ")
    assert relation == 'rel="next"'
    further = operator.get(url.strip("<>"))
    assert further.json
    assert further.json["next"] is None
    assert "Link" not in further.headers
    following = response.json["next"]
    query = f"?kind=power&end={following['end']}&seconds={following['seconds']}"
    assert read(operator, query) == further.json
    times = [event["time"] for event in (*response.json["events"], *further.json["events"])]
    assert times == sorted(times, reverse=True)
    assert len(times) == 6


def test_viewers_get_power_states_and_alerts_without_actors(
    orders: OrderService, client: FlaskClient, recording: FakeRecording
) -> None:
    run_order(orders, "power_off", 3)
    recording.states = {"04-1": [(time.time() - 0.01, "0")]}
    activity = read(client)
    assert {event["kind"] for event in activity["events"]} == {"power", "state"}
    assert {event["actor"] for event in activity["events"]} == {""}
    [hidden] = activity["unavailable"]
    assert hidden["kinds"] == ["order", "install", "replacement", "login", "experiment"]
    assert hidden["reason"] == "only operators see these events"
    assert event_texts(client, "?kind=order") == []
    assert event_texts(client, "?actor=alice") == []


def test_a_time_before_the_recording_is_reported(
    operator: FlaskClient, recording: FakeRecording
) -> None:
    recording.since = time.time() - 600
    [missing] = read(operator)["unavailable"]
    assert missing["kinds"] == ["state", "alert"]
    assert missing["since"] == recording.since


class TestCsv:
    def rows(self, client: FlaskClient, query: str) -> list[dict[str, str]]:
        response = client.get(f"{ACTIVITY}?format=csv&{query}")
        assert response.content_type == "text/csv; charset=utf-8"
        return list(csv.DictReader(StringIO(response.text)))

    def test_rows_are_the_events(self, orders: OrderService, operator: FlaskClient) -> None:
        run_order(orders, "power_off", 3)
        [row] = self.rows(operator, "kind=power")
        assert row["text"] == "stack 03 off"
        assert row["stacks"] == "3"
        assert row["time"].endswith("+00:00")

    def test_cells_that_a_spreadsheet_would_execute_start_with_an_apostrophe(
        self, orders: OrderService, operator: FlaskClient
    ) -> None:
        run_order(orders, "power_off", 3)
        assert {row["actor"] for row in self.rows(operator, "kind=order")} == {"'=alice"}

    def test_missing_kinds_are_rows(self, client: FlaskClient) -> None:
        rows = self.rows(client, "kind=login")
        assert [row["text"] for row in rows] == ["not available: only operators see these events"]


class TestWithoutSources:
    @pytest.fixture
    def prometheus(self) -> str:
        return "http://127.0.0.1:1"

    def test_without_prometheus_states_and_alerts_are_reported_as_missing(
        self, orders: OrderService, operator: FlaskClient
    ) -> None:
        run_order(orders, "power_off", 3)
        activity = read(operator)
        assert len(activity["events"]) == 2
        [missing] = activity["unavailable"]
        assert missing["kinds"] == ["state", "alert"]
        assert missing["reason"] == "Prometheus at http://127.0.0.1:1 cannot be reached"

    def test_a_source_in_the_database_that_cannot_be_read_is_reported_as_missing(
        self, orders: OrderService, operator: FlaskClient, access: AccessControl
    ) -> None:
        run_order(orders, "power_off", 3)
        database: Database = access.users._database
        with database.connection() as connection:
            connection.execute("DROP TABLE power_edges")
        activity = read(operator, "?kind=power&kind=order")
        assert [event["kind"] for event in activity["events"]] == ["order"]
        [missing] = activity["unavailable"]
        assert missing["kinds"] == ["power"]
        assert "power_edges" in missing["reason"]
