"""The list of power edges in the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.orders.model import OrderRequest, OrderState
from controller.orders.service import OrderService
from tests.helpers.waiting import wait_until

EDGES = "/api/v1.0/edges"


@pytest.fixture
def viewer(client: FlaskClient, access: AccessControl) -> FlaskClient:
    """Client of a viewer."""
    token = access.tokens.add("tests", Role.VIEWER)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def run_order(orders: OrderService, action: str, *stacks: int) -> int:
    """Run a forced order. Return its id."""
    request = OrderRequest(action, "stacks", stacks, force=action != "power_on")
    number = orders.submit(request, "tester", "").id
    wait_until(lambda: orders.get(number).state is OrderState.DONE)
    return number


def read_edges(viewer: FlaskClient, query: str = "") -> list[Any]:
    response = viewer.get(f"{EDGES}{query}")
    assert response.status_code == 200, response.json
    edges: list[Any] = response.get_json()
    return edges


def test_power_cycle_has_two_edges_of_each_stack_with_all_times(
    orders: OrderService, viewer: FlaskClient
) -> None:
    number = run_order(orders, "power_cycle", 2, 5)
    edges = read_edges(viewer)[::-1]
    assert [(edge["stack"], edge["is_on"]) for edge in edges] == [
        (2, False), (5, False), (2, True), (5, True),
    ]  # fmt: skip
    assert {edge["cause"] for edge in edges} == {f"order {number}"}
    times = [edge[name]["monotonic"] for edge in edges for name in ("before", "after")]
    assert times == sorted(times)
    first = edges[0]
    assert first["planned"]["monotonic"] <= first["before"]["monotonic"]
    assert first["after"]["time"] == pytest.approx(orders.get(number).started_at, abs=600)
    assert (first["first_silence"], first["first_answer"]) == (None, None)  # no rasp can be pinged


def test_edges_are_filtered_by_order_and_listed_in_pages(
    orders: OrderService, viewer: FlaskClient
) -> None:
    first = run_order(orders, "power_off", 1, 2, 3)
    run_order(orders, "power_on", 2)
    assert [edge["stack"] for edge in read_edges(viewer, f"?order={first}")] == [3, 2, 1]
    assert [edge["id"] for edge in read_edges(viewer, "?limit=2")] == [4, 3]
    assert [edge["id"] for edge in read_edges(viewer, "?before=3")] == [2, 1]
    link = viewer.get(f"{EDGES}?limit=2").headers["Link"]
    assert link == f'<{EDGES}?limit=2&before=3>; rel="next"'


@pytest.mark.parametrize("anonymous", ["none"])
def test_edges_require_a_login_if_the_rack_does(client: FlaskClient) -> None:
    assert client.get(EDGES).status_code == 401
