"""axe-core finds nothing to object to on any page, for an operator, in light and in dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from controller.auth.access_control import AccessControl
from controller.orders.service import OrderService
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import add_users
from tests.controller.pages.test_order_pages import save_failed_order, save_running_order

PAGES = [
    "/",
    "/?by=power",
    "/manage",
    "/rasps/10",
    "/stacks/3",
    "/orders",
    "/orders?view=audit",
    "/orders/1",
    "/orders/2",
    "/orders/new?do=power_off&stack=3",
    "/alerts",
    "/install",
    "/replace?rasp=10",
    "/master",
    "/about",
    "/account",
    "/login",
    "/rasps/99",
]
AXE = Axe()


def violations(page: Page) -> list[str]:
    found = AXE.run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
    ]


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_to_object_to(
    open_page: OpenPage,
    rack_state: FakeRackState,
    access: AccessControl,
    orders: OrderService,
    path: str,
) -> None:
    add_users(access)
    save_failed_order(orders, 1)
    save_running_order(orders, 2)
    rack_state.temperatures = dict.fromkeys(rack_state.state_values, 61.0) | {
        "01-1": 33.0,
        "01-2": 78.0,
    }
    rack_state.state_values |= {"01-2": 3.0, "01-3": 2.0, "02-1": 0.0, "02-2": 4.0, "02-3": 9.0}
    rack_state.conditions = {"04-1": "throttled"}
    who = "" if path == "/login" else "otto"
    found = {}
    for scheme, width in (("light", 1280), ("dark", 360)):
        page = open_page(path, scheme=scheme, width=width, who=who)
        found[scheme] = violations(page)
    assert found == {"light": [], "dark": []}
