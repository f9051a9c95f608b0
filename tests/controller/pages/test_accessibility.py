"""Accessibility of all pages for an operator: axe-core in light and dark, size of controls."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.experiments.store import RunStore
from controller.orders.service import OrderService
from controller.reservations.service import ReservationService
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import add_users, create_session
from tests.controller.pages.recorded_runs import save_lost_run
from tests.controller.pages.test_order_pages import save_failed_order, save_running_order
from tests.controller.pages.test_reservation_pages import reserve_for_a_class

pytestmark = pytest.mark.process

PAGES = [
    "/",
    "/?color=power",
    "/?kiosk=1",
    "/?at=2026-01-01T12:00:00Z",
    "/rasps",
    "/rasps/10",
    "/stacks/3",
    "/activity",
    "/orders",
    "/orders?view=audit",
    "/orders/1",
    "/orders/2",
    "/orders/new?action=power_off&stack=3",
    "/reservations",
    "/experiments",
    "/experiments/1",
    "/alerts",
    "/install",
    "/replace?rasp=10",
    "/master",
    "/about",
    "/account",
    "/find?q=power 3",
    "/rasps/99",
]
AXE = Axe()
PHONE_WIDTH = 700
MIN_TARGET_PIXELS = 24  # WCAG 2.5.8
TARGETS = "header a, header button, main button, main select, main input, tbody th a, .menu a"


def violations(page: Page) -> list[str]:
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in AXE.run(page).response["violations"]
    ]


def small_targets(page: Page) -> list[str]:
    """Return the visible controls that are too small for a finger."""
    small: list[str] = page.evaluate(
        """([selector, minimum]) =>
          [...document.querySelectorAll(selector)]
            .filter((element) => element.type !== "hidden" && element.checkVisibility())
            .filter((element) => {
              const { width, height } = element.getBoundingClientRect();
              return width < minimum || height < minimum;
            })
            .map((element) => element.outerHTML.slice(0, 150))""",
        [TARGETS, MIN_TARGET_PIXELS],
    )
    return [f"too small: {each}" for each in small]


@pytest.fixture
def full_rack(
    rack_state: FakeRackState,
    access: AccessControl,
    orders: OrderService,
    run_store: RunStore,
    reservations: ReservationService,
) -> None:
    """A rack with users, orders, a run, a reservation, and rasps in all states."""
    add_users(access)
    create_session(access, "otto")
    access.tokens.add_for_user("otto", "ci", Role.VIEWER)
    save_failed_order(orders, 1)
    save_running_order(orders, 2)
    save_lost_run(run_store)
    reserve_for_a_class(reservations)
    rack_state.temperatures = dict.fromkeys(rack_state.state_values, 61.0) | {
        "01-1": 33.0,
        "01-2": 78.0,
    }
    rack_state.state_values |= {"01-2": 3.0, "01-3": 2.0, "02-1": 0.0, "02-2": 4.0, "02-3": 9.0}
    rack_state.conditions = {"04-1": "throttled"}


@pytest.mark.usefixtures("full_rack")
@pytest.mark.parametrize(
    ("scheme", "width"), [pytest.param("light", 1280, marks=pytest.mark.verify), ("dark", 360)]
)
def test_pages_have_no_axe_violations_and_large_targets_on_a_phone(
    open_page: OpenPage, url: str, scheme: str, width: int
) -> None:
    found = {"/login": violations(open_page("/login", scheme=scheme, width=width))}
    page = open_page(scheme=scheme, width=width, who="otto")
    for path in PAGES:
        page.goto(url + path)
        found[path] = violations(page)
        if width < PHONE_WIDTH:
            found[path] += small_targets(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("power 3")
    page.get_by_role("option", name="Power off stack").wait_for()
    found["dialog"] = violations(page)
    assert {path: found[path] for path in found if found[path]} == {}


@pytest.mark.usefixtures("full_rack")
def test_open_menu_of_a_stack_has_no_axe_violations_and_large_targets(open_page: OpenPage) -> None:
    page = open_page(width=360, scheme="dark", who="otto")
    page.get_by_role("button", name="Actions for stack 03").click()
    expect(page.get_by_role("link", name="Open stack page")).to_be_visible()
    assert violations(page) + small_targets(page) == []
