"""Pages of a rack with plugs: power buttons, watts, and plugs that cannot be read."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity

from controller.auth.access_control import AccessControl
from controller.orders.service import OrderService
from controller.pages.order_form import request_from_form
from rack.power.state import OutletReading
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import add_users
from tests.controller.pages.test_accessibility import violations
from tests.controller.plug_state import NO_REPLY, OFF, ON, A, B, C, no_reply, state_of_plugs

pytestmark = pytest.mark.process

DIFFERENCE = "commanded on, but its outlet is off"


@pytest.fixture
def rack_state() -> FakeRackState:
    """01-1 is on, 01-2 cannot be read, and stack 2 is off."""
    return state_of_plugs(
        {B: no_reply(B), C: OutletReading(False, 0.0)}, energy={A: 12240.0, C: 3600.0}
    )


@pytest.fixture
def operator(access: AccessControl) -> str:
    add_users(access)
    return "otto"


def test_page_of_a_rasp_with_its_own_plug_shows_power_watts_and_energy(
    open_page: OpenPage,
) -> None:
    page = open_page("/rasps/1")
    main = page.get_by_role("main")
    expect(main).to_contain_text("plugs:a, of this rasp alone")
    expect(main).to_contain_text("commanded on, observed on: delivering power")
    expect(main).to_contain_text("3.4 W, 3.4 Wh since the controller started")


def test_page_of_a_rasp_without_its_own_plug_names_the_outlet_of_its_stack(
    open_page: OpenPage, operator: str
) -> None:
    page = open_page("/rasps/3", who=operator)
    expect(page.get_by_role("main")).to_contain_text("plugs:c, of the whole stack 02")
    expect(page.get_by_role("button", name="Power off")).to_have_count(0)


def test_page_of_a_rasp_whose_plug_cannot_be_read_shows_the_error_and_all_power_buttons(
    open_page: OpenPage, operator: str
) -> None:
    page = open_page("/rasps/2", who=operator)
    expect(page.get_by_role("main")).to_contain_text(f"The power is unknown. {no_reply(B).error}.")
    expect(page.get_by_role("main")).to_contain_text("commanded unknown, observed unknown")
    for name in ("Power on", "Power off", "Power cycle"):
        expect(page.get_by_role("button", name=name)).to_be_visible()


def test_power_buttons_of_a_rasp_are_those_that_change_its_power(
    open_page: OpenPage, operator: str, rack_state: FakeRackState
) -> None:
    page = open_page("/rasps/1", who=operator)
    expect(page.get_by_role("button", name="Power cycle")).to_be_visible()
    expect(page.get_by_role("button", name="Power off")).to_be_visible()
    expect(page.get_by_role("button", name="Power on")).to_have_count(0)
    rack_state.commanded[A] = OFF
    page.reload()
    expect(page.get_by_role("button", name="Power on")).to_be_visible()
    expect(page.get_by_role("button", name="Power off")).to_have_count(0)


def test_viewers_have_no_power_buttons(open_page: OpenPage) -> None:
    page = open_page("/rasps/2")
    expect(page.get_by_role("button", name="Power off")).to_have_count(0)


def test_page_of_a_stack_lists_its_plugs_with_their_errors(open_page: OpenPage) -> None:
    page = open_page("/stacks/1")
    plugs = page.get_by_label("Outlets")
    expect(plugs.get_by_role("row", name="01-1")).to_contain_text("plugs:a")
    expect(plugs.get_by_role("row", name="01-1")).to_contain_text("3.4 W, 3.4 Wh")
    expect(plugs.get_by_role("row", name="01-2")).to_contain_text(no_reply(B).error)
    expect(page.get_by_role("heading", level=1)).to_contain_text("power unknown")


def test_page_of_a_stack_with_one_plug_shows_it_with_its_energy(open_page: OpenPage) -> None:
    main = open_page("/stacks/2").get_by_role("main")
    expect(main).to_contain_text("commanded off, observed off")
    expect(main).to_contain_text("plugs:c")
    expect(main).to_contain_text("0.0 W, 1.0 Wh since the controller started")


def test_rack_page_marks_the_stack_whose_plug_cannot_be_read_and_lists_the_reason(
    open_page: OpenPage,
) -> None:
    page = open_page()
    expect(page.locator(".stack-1")).to_contain_text("power unknown")
    expect(page.locator(".stack-2")).to_contain_text("power off")
    warnings = page.locator("#power-warnings + ul")
    expect(warnings).to_contain_text(f"plugs (test): {NO_REPLY}")
    expect(warnings.get_by_role("link")).to_have_text(["01-2"])


def test_rack_page_shows_watts_of_rasps_and_of_the_whole_rack(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_role("link", name="Watts").click()
    expect(page.locator("#rasp-1")).to_contain_text("3.4 W")
    expect(page.locator("#rasp-5")).to_contain_text("–")
    expect(page.get_by_label("Rasps by state")).to_contain_text("0.0 W measured")


def test_plug_that_came_back_in_another_state_is_listed_with_its_rasp(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.commanded[B] = replace(ON, outlet_differs=True)
    rack_state.readings[B] = OutletReading(False)
    page = open_page()
    expect(page.locator(".stack-1")).to_contain_text("power differs")
    warnings = page.locator("#power-warnings + ul")
    expect(warnings).to_contain_text(DIFFERENCE)
    expect(warnings.get_by_role("link")).to_have_text(["01-2"])
    page.goto(page.url + "rasps/2")
    expect(page.get_by_role("main")).to_contain_text(DIFFERENCE)


def test_power_of_selected_rasps_is_offered_only_if_they_have_plugs_of_their_own(
    open_page: OpenPage, operator: str
) -> None:
    page = open_page(who=operator)
    power = page.locator("#selection-action [data-power]")
    page.get_by_label("Select 02-1").check()
    expect(power).to_be_disabled()
    page.get_by_label("Select 02-1").uncheck()
    page.get_by_label("Select 01-1").focus()
    page.keyboard.press("Space")
    expect(power).to_be_enabled()


@pytest.mark.verify
def test_pages_of_plugs_have_no_axe_violations_and_fit_a_phone(
    open_page: OpenPage, url: str, operator: str
) -> None:
    page = open_page(who=operator)
    phone = open_page(scheme="dark", width=360, who=operator)
    for path in ("/?color=watts", "/rasps/1", "/rasps/2", "/rasps/3", "/stacks/1"):
        page.goto(url + path)
        assert violations(page) == [], path
        phone.goto(url + path)
        assert violations(phone) == [], path
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, path


@pytest.mark.parametrize(
    ("selected", "scope", "ids"),
    [
        ([("rasp", "1")], "rasps", (1,)),
        ([("rasp", "1"), ("rasp", "2")], "rasps", (1, 2)),
        ([("stack", "1"), ("rasp", "1"), ("rasp", "2")], "stacks", (1,)),
        ([("stack", "2"), ("rasp", "3"), ("rasp", "4")], "stacks", (2,)),
        ([("stack", "2"), ("rasp", "5")], "stacks", (2,)),
    ],
)
def test_power_action_applies_to_selected_stacks_or_to_rasps_with_plugs(
    orders: OrderService,
    rack_state: FakeRackState,
    selected: list[tuple[str, str]],
    scope: str,
    ids: tuple[int, ...],
) -> None:
    form = MultiDict([("action", "power_off"), *selected])
    request = request_from_form(form, orders.actions, rack_state.read().rack)
    assert (request.action, request.scope, request.ids) == ("power_off", scope, ids)


@pytest.mark.parametrize(
    ("selected", "error"),
    [
        ([("rasp", "3")], "select stacks"),
        ([("stack", "2"), ("rasp", "1")], "select either stacks or rasps"),
    ],
)
def test_power_action_that_needs_several_orders_or_other_targets_is_rejected(
    orders: OrderService, rack_state: FakeRackState, selected: list[tuple[str, str]], error: str
) -> None:
    form = MultiDict([("action", "power_off"), *selected])
    with pytest.raises(UnprocessableEntity, match=error):
        request_from_form(form, orders.actions, rack_state.read().rack)


def test_replacement_names_only_the_rasp_that_loses_power(
    open_page: OpenPage, operator: str
) -> None:
    page = open_page("/replace?rasp=1", who=operator)
    affected = page.get_by_role("region", name="The power of 01-1 is cut")
    expect(affected).to_contain_text("01-1 (up)")
    expect(affected).not_to_contain_text("01-2")
    page = open_page("/replace?rasp=3", who=operator)
    affected = page.get_by_role("region", name="The power of stack 02 is cut")
    expect(affected).to_contain_text("02-1 (off)")
    expect(affected).to_contain_text("02-2 (off)")
