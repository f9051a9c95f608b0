"""An operator who gives orders by the API, and waits for what comes of them."""

from collections.abc import Callable, Mapping
from typing import Any

import requests

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from rack.database import Database
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

OrderJson = Mapping[str, Any]


class OrderClient:
    def __init__(
        self, room: RackProcess, controller: ControllerProcess, name: str = "tests"
    ) -> None:
        secret = Tokens(Database(room.state_folder / "pirack.db")).add(name, Role.OPERATOR)
        self._controller = controller
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {secret}"

    def use_controller(self, controller: ControllerProcess) -> "OrderClient":
        """Turn to another controller, which has come in the place of the first."""
        self._controller = controller
        return self

    def request(self, method: str, path: str, **body: Any) -> requests.Response:
        url = f"{self._controller.url}/api/v1.0/{path}"
        return self._session.request(method, url, json=body or None, timeout=TIMEOUT_SECONDS)

    def submit(self, scope: str, **body: Any) -> OrderJson:
        """Give an order that is taken; return it as it is then."""
        answer = self.request("POST", f"{scope}/execute", **body)
        assert answer.status_code in {200, 202}, answer.text
        order: OrderJson = answer.json()
        if answer.status_code == 202:
            assert answer.headers["Location"] == f"/api/v1.0/orders/{order['id']}"
        return order

    def run_order(self, scope: str, **body: Any) -> OrderJson:
        """Give an order and wait until it is over; return it as it is then."""
        return self.wait(self.submit(scope, **body))

    def wait(self, order: OrderJson, on_poll: Callable[[], None] = lambda: None) -> OrderJson:
        """Wait until an order is over."""

        def is_over() -> bool:
            on_poll()
            return self.get_order(order)["state"] not in {"running", "cancelling"}

        wait_until(is_over)
        return self.get_order(order)

    def get_order(self, order: OrderJson) -> OrderJson:
        """Return an order as it is now."""
        seen: OrderJson = self.request("GET", f"orders/{order['id']}").json()
        return seen


def results(order: OrderJson) -> dict[str, str]:
    """Return what came of an order for each rasp and stack."""
    return {each["target"]: each["result"] for each in order["results"]}


def detail(order: OrderJson, target: str) -> str:
    """Return why, for a rasp or a stack."""
    [found] = [each["detail"] for each in order["results"] if each["target"] == target]
    return str(found)
