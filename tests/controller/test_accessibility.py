"""axe-core finds nothing to object to on any page, for an operator, in light and in dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from controller.access import Access
from controller.orders.orders import Orders
from tests.controller.conftest import Open
from tests.controller.test_order_pages import failed_order, running_order
from tests.controller.visitor import add_users
from tests.controller.world import World

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


def objections(page: Page) -> list[str]:
    found = AXE.run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
    ]


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_to_object_to(
    opened: Open, world: World, access: Access, orders: Orders, path: str
) -> None:
    add_users(access)
    failed_order(orders, 1)
    running_order(orders, 2)
    world.temperatures = dict.fromkeys(world.values, 61.0) | {"01-1": 33.0, "01-2": 78.0}
    world.values |= {"01-2": 3.0, "01-3": 2.0, "02-1": 0.0, "02-2": 4.0, "02-3": 9.0}
    world.conditions = {"04-1": "throttled"}
    who = "" if path == "/login" else "otto"
    found = {}
    for scheme, width in (("light", 1280), ("dark", 360)):
        page = opened(path, scheme=scheme, width=width, who=who)
        found[scheme] = objections(page)
    assert found == {"light": [], "dark": []}
