"""API client of an operator that submits orders and waits for their results."""

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
        self, rack_process: RackProcess, controller: ControllerProcess, name: str = "tests"
    ) -> None:
        secret = Tokens(Database(rack_process.state_folder / "pirack.db")).add(name, Role.OPERATOR)
        self._controller = controller
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {secret}"

    def use_controller(self, controller: ControllerProcess) -> "OrderClient":
        """Use another controller from now on."""
        self._controller = controller
        return self

    def request(self, method: str, path: str, **body: Any) -> requests.Response:
        url = f"{self._controller.url}/api/v1.0/{path}"
        return self._session.request(method, url, json=body or None, timeout=TIMEOUT_SECONDS)

    def submit(self, scope: str, **body: Any) -> OrderJson:
        """Submit an order that must be accepted. Return the order."""
        response = self.request("POST", f"{scope}/execute", **body)
        assert response.status_code in {200, 202}, response.text
        order: OrderJson = response.json()
        if response.status_code == 202:
            assert response.headers["Location"] == f"/api/v1.0/orders/{order['id']}"
        return order

    def run_order(self, scope: str, **body: Any) -> OrderJson:
        """Submit an order and wait until it has finished. Return the order."""
        return self.wait(self.submit(scope, **body))

    def wait(self, order: OrderJson, on_poll: Callable[[], None] = lambda: None) -> OrderJson:
        """Wait until an order has finished. Return the order."""

        def has_finished() -> bool:
            on_poll()
            return self.get_order(order)["state"] not in {"running", "cancelling"}

        wait_until(has_finished)
        return self.get_order(order)

    def get_order(self, order: OrderJson) -> OrderJson:
        """Return the current state of an order."""
        current: OrderJson = self.request("GET", f"orders/{order['id']}").json()
        return current


def results(order: OrderJson) -> dict[str, str]:
    """Return the result of an order for each rasp and stack."""
    return {entry["target"]: entry["result"] for entry in order["results"]}


def detail(order: OrderJson, target: str) -> str:
    """Return the reason for the result of a rasp or a stack."""
    [reason] = [entry["detail"] for entry in order["results"] if entry["target"] == target]
    return str(reason)
