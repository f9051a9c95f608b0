"""An operator who gives orders by the API, and waits for what comes of them."""

from collections.abc import Callable, Mapping
from typing import Any

import requests

from controller.roles import Role
from controller.tokens import Tokens
from rack.database import Database
from tests.controller.room import Controller, Room
from tests.waiting import SECONDS, until

Order = Mapping[str, Any]


class Operator:
    def __init__(self, room: Room, controller: Controller, name: str = "tests") -> None:
        secret = Tokens(Database(room.state / "pirack.db")).add(name, Role.OPERATOR)
        self._controller = controller
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {secret}"

    def at(self, controller: Controller) -> "Operator":
        """Turn to another controller, which has come in the place of the first."""
        self._controller = controller
        return self

    def ask(self, method: str, path: str, **body: Any) -> requests.Response:
        url = f"{self._controller.url}/api/v1.0/{path}"
        return self._session.request(method, url, json=body or None, timeout=SECONDS)

    def begin(self, kind: str, **body: Any) -> Order:
        """Give an order that is taken; return it as it is then."""
        answer = self.ask("POST", f"{kind}/execute", **body)
        assert answer.status_code in {200, 202}, answer.text
        order: Order = answer.json()
        if answer.status_code == 202:
            assert answer.headers["Location"] == f"/api/v1.0/orders/{order['id']}"
        return order

    def order(self, kind: str, **body: Any) -> Order:
        """Give an order and wait until it is over; return it as it is then."""
        return self.wait(self.begin(kind, **body))

    def wait(self, order: Order, meanwhile: Callable[[], None] = lambda: None) -> Order:
        """Wait until an order is over."""

        def is_over() -> bool:
            meanwhile()
            return self.look(order)["state"] not in {"running", "cancelling"}

        until(is_over)
        return self.look(order)

    def look(self, order: Order) -> Order:
        """Return an order as it is now."""
        seen: Order = self.ask("GET", f"orders/{order['id']}").json()
        return seen


def results(order: Order) -> dict[str, str]:
    """Return what came of an order for each rasp and stack."""
    return {each["target"]: each["result"] for each in order["results"]}


def detail(order: Order, target: str) -> str:
    """Return why, for a rasp or a stack."""
    [found] = [each["detail"] for each in order["results"] if each["target"] == target]
    return str(found)
