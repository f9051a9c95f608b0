"""Tests of the lists of orders, installs and audit events."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from controller.audit import AuditEvent
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.orders.model import Order, OrderRequest, OrderState, Result, TargetResult
from controller.orders.service import OrderService
from controller.web.paging import MAX_PAGE_BYTES
from tests.controller.fakes import RACK

PREFIX = "/api/v1.0"


@pytest.fixture
def operator(client: FlaskClient, access: AccessControl) -> FlaskClient:
    """Client of an operator."""
    token = access.tokens.add("tests", Role.OPERATOR)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def save_rack_order(orders: OrderService, number: int, output: str = "") -> None:
    """Store an order for the whole rack."""
    results = [Result.OK, Result.OK, Result.FAILED, Result.UNKNOWN]
    orders._store.save(
        Order(
            id=number,
            request=OrderRequest("warnings", "rack"),
            targets=tuple(slot.name for slot in RACK.slots),
            actor="otto",
            client_address="10.0.0.1",
            started_at=1_795_552_960.0,
            finished_at=1_795_552_990.0,
            state=OrderState.DONE,
            results=tuple(
                TargetResult("rasp", slot.name, slot.id, results[slot.number - 1], output=output)
                for slot in RACK.slots
            ),
        )
    )


def read_pages(client: FlaskClient, path: str) -> list[TestResponse]:
    """Return a page and all pages after it."""
    pages = [client.get(f"{PREFIX}/{path}")]
    while link := pages[-1].headers.get("Link"):
        pages.append(client.get(link[1:].partition(">")[0]))
    return pages


def items(pages: list[TestResponse]) -> list[Any]:
    return [item for page in pages for item in page.get_json()]


def test_list_contains_orders_without_their_results(
    operator: FlaskClient, orders: OrderService
) -> None:
    save_rack_order(orders, 1)
    [order] = operator.get(f"{PREFIX}/orders").get_json()
    details = operator.get(f"{PREFIX}/orders/1").get_json()
    assert len(details.pop("results")) == 48
    assert order == details
    assert order["counts"] == {"ok": 24, "failed": 12, "unknown": 12, "pending": 0}
    assert order["result"] == "failed"


def test_pages_of_orders_are_limited_in_bytes_and_complete(
    operator: FlaskClient, orders: OrderService
) -> None:
    for number in range(1, 501):
        save_rack_order(orders, number, "x" * 500)
    pages = read_pages(operator, "orders?limit=500&q=otto")
    assert [order["id"] for order in items(pages)] == list(range(500, 0, -1))
    assert max(len(page.data) for page in pages) <= MAX_PAGE_BYTES + 2
    assert [page.status_code for page in pages] == [200] * len(pages)


def test_pages_of_orders_are_limited_in_number(operator: FlaskClient, orders: OrderService) -> None:
    for number in range(1, 6):
        save_rack_order(orders, number)
    pages = read_pages(operator, "orders?limit=2")
    assert [[order["id"] for order in page.get_json()] for page in pages] == [[5, 4], [3, 2], [1]]


def test_pages_of_audit_events_are_limited_in_bytes_and_complete(
    operator: FlaskClient, access: AccessControl
) -> None:
    with access.users._database.connection():  # SQLite does not clean up after each event
        for number in range(300):
            access.audit.record(
                AuditEvent("otto", "10.0.0.1", f"read {number}", "é" * 1000, "ok", "ü" * 1000)
            )
    pages = read_pages(operator, "audit?limit=500")
    assert len(items(pages)) == 300
    assert max(len(page.data) for page in pages) <= MAX_PAGE_BYTES + 2


@pytest.mark.parametrize(
    "path", ["orders", "orders/1", "installation", "installations", "installations/1", "audit"]
)
def test_viewers_and_anonymous_clients_cannot_read_who_ordered_what(
    client: FlaskClient, access: AccessControl, orders: OrderService, path: str
) -> None:
    save_rack_order(orders, 1)
    viewer = access.tokens.add("viewer", Role.VIEWER)
    url = f"{PREFIX}/{path}"
    assert client.get(f"{PREFIX}/rasps").status_code == 200
    assert client.get(url).status_code == 401
    assert client.get(url, headers={"Authorization": f"Bearer {viewer}"}).status_code == 403


@pytest.mark.parametrize("path", ["/orders", "/orders/1", "/install", "/install/1"])
def test_pages_of_orders_and_installs_require_a_login(
    client: FlaskClient, orders: OrderService, path: str
) -> None:
    save_rack_order(orders, 1)
    assert client.get(path).headers["Location"] == f"/login?next={path}"
    for page in ("/", "/rasps/10", "/stacks/3"):
        text = client.get(page).text
        assert "otto" not in text
        assert "/orders" not in text
