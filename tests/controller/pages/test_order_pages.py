"""Tests of the order pages in a browser.

No rasp of this rack responds, so orders fail. `test_whole_flows` tests orders that succeed.
"""

import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Locator, Page, expect

from controller.audit import AuditEvent
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.orders.model import Order, OrderRequest, OrderState, Reading, Result, TargetResult
from controller.orders.service import OrderService
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import BrowserSession, add_users, create_session
from tests.controller.pages.test_rack_page import cell

pytestmark = pytest.mark.process

TAB_STOPS = ":is(.rack a, .rack button, .rack input):not([tabindex='-1']), .rack[tabindex]"
HOSTILE = "<script>window.isHacked = true</script>\"'>&"


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def selected_names(page: Page) -> list[str]:
    boxes = page.locator("input.select-box[name=rasp]:checked")
    return [str(box.get_attribute("aria-label")).removeprefix("Select ") for box in boxes.all()]


def selection_summary(page: Page) -> Locator:
    return page.locator("#selection-summary")


def submit_order(page: Page, action: str) -> None:
    form = page.get_by_role("form", name="Selected rasps and stacks")
    form.get_by_label("Action").select_option(action)
    form.get_by_role("button", name="Run").click()


class TestSelection:
    def test_checkboxes_select_rasps_and_stacks(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        page.get_by_label("Select 03-2").check()
        expect(selection_summary(page)).to_have_text("1 rasp selected")
        page.get_by_label("Select stack 05").check()
        expect(selection_summary(page)).to_have_text("5 rasps, 1 whole stack selected")
        page.get_by_label("Select 05-1").uncheck()
        expect(page.get_by_label("Select stack 05")).not_to_be_checked()
        expect(selection_summary(page)).to_have_text("4 rasps selected")
        page.get_by_role("button", name="Clear").click()
        assert selected_names(page) == []

    def test_ctrl_click_selects_one_rasp_and_shift_click_selects_a_range(
        self, open_page: OpenPage
    ) -> None:
        page = open_page(who="otto")
        cell(page, "03-2").click(modifiers=["Control"])
        cell(page, "04-1").click(modifiers=["Shift"])
        assert selected_names(page) == ["03-2", "03-3", "03-4", "04-1"]
        page.keyboard.press("Escape")
        assert selected_names(page) == []

    def test_frame_selects_rasps_and_does_not_click(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        first, last = cell(page, "02-1").bounding_box(), cell(page, "03-2").bounding_box()
        assert first
        assert last
        page.mouse.move(first["x"] + 10, first["y"] + 30)
        page.mouse.down()
        page.mouse.move(first["x"] + 40, first["y"] + 40)
        page.mouse.move(last["x"] + 20, last["y"] + 20)
        page.mouse.up()
        assert selected_names(page) == ["02-1", "02-2", "03-1", "03-2"]
        expect(page.locator(".selection-frame")).to_have_count(0)
        cell(page, "02-1").click()
        expect(page.get_by_role("heading", name="02-1")).to_be_visible()

    def test_keyboard_selects_rasps_and_submits_an_order(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        cell(page, "03-2").focus()
        for key in ("Space", "ArrowRight", "Space"):
            page.keyboard.press(key)
        assert selected_names(page) == ["03-2", "04-2"]
        page.keyboard.press("Tab")
        expect(page.locator("#selection-action")).to_be_focused()
        page.keyboard.type("Reboot")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="2 rasps will go down")).to_be_visible()

    def test_rack_is_one_tab_stop_with_stacks_and_a_link_skips_to_the_actions(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page(who="otto")
        tab_stops = page.locator(TAB_STOPS)
        cell(page, "03-1").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
        assert selected_names(page) == ["03-1", "03-2", "03-3", "03-4"]
        rack_state.state_values["03-1"] = 0.0
        expect(cell(page, "03-1")).to_contain_text("down")
        expect(tab_stops).to_have_count(1)
        expect(page.get_by_role("link", name="03 stack")).to_be_focused()
        page.get_by_role("link", name="Skip to actions").press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("#selection-action")).to_be_focused()

    def test_update_keeps_the_selection(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page(who="otto")
        page.get_by_label("Select stack 05").check()
        page.get_by_label("Select 03-2").check()
        rack_state.state_values |= {"03-2": 0.0, "05-1": 4.0}
        expect(cell(page, "03-2")).to_contain_text("down")
        assert selected_names(page) == ["03-2", "05-1", "05-2", "05-3", "05-4"]
        expect(page.get_by_label("Select stack 05")).to_be_checked()

    def test_power_actions_require_a_whole_stack(self, open_page: OpenPage) -> None:
        page = open_page("/rasps", who="otto")
        power = page.locator("#selection-form optgroup[data-power]")
        page.get_by_label("Select 03-2").check()
        expect(power).to_be_disabled()
        page.get_by_label("Select stack 04").check()
        expect(power).to_be_enabled()

    def test_select_all_selects_the_shown_rasps(self, open_page: OpenPage) -> None:
        page = open_page("/rasps", who="otto")
        page.get_by_label("Search").fill("03-")
        expect(page.locator("#match-count")).to_have_text("4 of 48 rasps")
        page.get_by_label("Select all shown rasps").check()
        assert selected_names(page) == ["03-1", "03-2", "03-3", "03-4"]


class TestStackMenu:
    def test_menu_leads_to_the_confirmation_of_an_action(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        menu = page.get_by_role("group", name="Stack 03", exact=True)
        expect(menu).to_be_hidden()
        page.get_by_role("button", name="Actions for stack 03").click()
        expect(menu.get_by_role("link")).to_have_text(
            ["Power cycle", "Power off", "Power on", "Select all rasps", "Open stack page"]
        )
        menu.get_by_role("link", name="Power off").click()
        expect(page.get_by_role("heading", name="4 rasps will go down")).to_be_visible()
        expect(page.get_by_text("Power: stack 03.")).to_be_visible()

    def test_menu_is_used_by_keyboard_within_the_tab_stop_of_the_rack(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page(who="otto")
        button = page.get_by_role("button", name="Actions for stack 03")
        page.get_by_label("Select 01-1").check()
        cell(page, "03-1").focus()
        for key in ("ArrowUp", "ArrowRight"):
            page.keyboard.press(key)
        expect(button).to_be_focused()
        expect(page.locator(TAB_STOPS)).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Power cycle")).to_be_focused()
        rack_state.state_values["03-1"] = 0.0
        expect(cell(page, "03-1")).to_contain_text("down")
        page.keyboard.press("ArrowUp")
        expect(page.get_by_role("link", name="Open stack page")).to_be_focused()
        page.keyboard.press("Escape")
        expect(button).to_be_focused()
        assert selected_names(page) == ["01-1"]
        for key in ("Enter", "ArrowUp", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        expect(button).to_be_focused()
        assert selected_names(page) == ["01-1", "03-1", "03-2", "03-3", "03-4"]
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("link", name="04 stack")).to_be_focused()

    def test_menu_closes_when_the_focus_leaves_it(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        page.get_by_role("button", name="Actions for stack 03").click()
        expect(page.get_by_role("link", name="Power cycle")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Power cycle")).to_be_hidden()

    def test_menu_works_without_javascript(
        self, browser: Browser, url: str, access: AccessControl
    ) -> None:
        page = browser.new_page(java_script_enabled=False)
        session = create_session(access, "otto")
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": url}])
        page.goto(url)
        page.get_by_role("button", name="Actions for stack 03").click()
        page.get_by_role("link", name="Select all rasps").click()
        expect(page.get_by_label("Select stack 03")).to_be_checked()
        page.get_by_role("button", name="Actions for stack 03").click()
        page.get_by_role("link", name="Power on").click()
        expect(page.get_by_role("heading", name="Power on?")).to_be_visible()
        page.close()

    def test_viewers_have_no_menus(self, open_page: OpenPage) -> None:
        page = open_page(who="vera")
        expect(page.get_by_role("link", name="03 stack")).to_be_visible()
        expect(page.get_by_role("button", name="Actions for stack 03")).to_have_count(0)

    def test_updates_contain_no_menus(self, app: Flask, access: AccessControl) -> None:
        client = app.test_client()
        client.set_cookie(SESSION_COOKIE, create_session(access, "otto"))
        update = client.get("/", headers={"Prefer": "return=minimal"}).text
        assert '<div class="stack-menu" id="stack-menu-3" data-keep></div>' in update
        assert "Open stack page" not in update
        assert "Open stack page" in client.get("/").text


class TestSubmission:
    def test_disruptive_order_is_confirmed_with_the_affected_rasps(
        self, open_page: OpenPage
    ) -> None:
        page = open_page("/?color=cpu", who="otto")
        page.get_by_label("Select 03-2").check()
        page.get_by_label("Select stack 05").check()
        submit_order(page, "reboot")
        expect(page.get_by_role("heading", name="5 rasps will go down")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("03-2 05-1 05-2 05-3 05-4")
        page.get_by_role("link", name="Cancel").click()
        expect(page).to_have_url(re.compile(r"/\?color=cpu$"))
        page.goto(page.url.replace("?color=cpu", "orders"))
        expect(page.get_by_text("No orders yet.")).to_be_visible()

    def test_failed_order_shows_results_and_can_be_retried(self, open_page: OpenPage) -> None:
        page = open_page("/rasps/10", who="otto")
        page.get_by_label("Action for this rasp").select_option("reboot")
        page.get_by_role("button", name="Run").click()
        page.get_by_role("button", name="Reboot").click()
        expect(page.get_by_role("heading", name="Order 1: reboot")).to_contain_text("failed")
        expect(page.locator("#rasp-10")).to_contain_text("no host key of 127.23.3.2")
        page.get_by_role("button", name="Retry failed targets").click()
        page.get_by_role("button", name="Reboot").click()
        expect(page.get_by_role("heading", name="Order 2: reboot")).to_be_visible()
        page.get_by_role("link", name="03-2").click()
        expect(page.get_by_role("main")).to_contain_text("2 reboot failed")

    def test_ping_is_submitted_without_confirmation(self, open_page: OpenPage) -> None:
        page = open_page("/stacks/3", who="otto")
        page.get_by_label("Action for this stack").select_option("ping")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("heading", name="Order 1: ping")).to_be_visible()
        expect(page.locator(".results .names a")).to_have_count(4)

    def test_power_off_names_the_stack_and_can_be_forced(self, open_page: OpenPage) -> None:
        page = open_page("/stacks/3", who="otto")
        page.get_by_label("Action for this stack").select_option("power_off")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("main")).to_contain_text("Power: stack 03.")
        page.get_by_label("Cut power immediately").check()
        page.get_by_role("button", name="Power off").click()
        expect(page.get_by_role("heading", name="power off (force)")).to_be_visible()
        expect(page.locator("#stack-3")).to_be_visible()

    def test_order_for_the_whole_rack_affects_all_rasps(self, open_page: OpenPage) -> None:
        page = open_page("/rasps", who="otto")
        page.get_by_label("Action for the whole rack").select_option("shutdown")
        page.locator(".action-form").get_by_role("button", name="Run").click()
        expect(page.get_by_role("heading", name="48 rasps will go down")).to_be_visible()

    def test_order_is_submitted_without_javascript(
        self, browser: Browser, url: str, access: AccessControl
    ) -> None:
        page = browser.new_page(java_script_enabled=False)
        page.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
        )
        page.goto(url)
        page.get_by_label("Select stack 05").check()
        submit_order(page, "power_off")
        expect(page.get_by_role("heading", name="4 rasps will go down")).to_be_visible()
        page.close()

    @pytest.mark.parametrize(
        ("labels", "action", "message"),
        [
            ([], "ping", "nothing is selected"),
            (["Select 03-2"], "power_off", "power actions apply to whole stacks"),
        ],
    )
    def test_invalid_selection_without_javascript_is_kept_with_the_fix(
        self,
        browser: Browser,
        url: str,
        access: AccessControl,
        labels: list[str],
        action: str,
        message: str,
    ) -> None:
        page = browser.new_page(java_script_enabled=False)
        page.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
        )
        page.goto(f"{url}/rasps?q=03-")
        for label in labels:
            page.get_by_label(label, exact=True).check()
        submit_order(page, action)
        form = page.get_by_role("form", name="Selected rasps and stacks")
        expect(form.get_by_role("alert")).to_contain_text(message)
        expect(form.get_by_label("Action")).to_have_value(action)
        expect(page.locator("#match-count")).to_have_text("4 of 48 rasps")
        assert [f"Select {name}" for name in selected_names(page)] == labels
        page.close()

    def test_run_button_is_disabled_until_something_is_selected(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        form = page.get_by_role("form", name="Selected rasps and stacks")
        run = form.get_by_role("button", name="Run")
        expect(run).to_be_disabled()
        page.get_by_label("Select 03-2").check()
        expect(run).to_be_enabled()
        page.get_by_label("Select 03-2").uncheck()
        expect(run).to_be_disabled()

    def test_update_keeps_the_run_button_disabled(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page(who="otto")
        rack_state.state_values["03-2"] = 0.0
        expect(cell(page, "03-2")).to_contain_text("down")
        form = page.get_by_role("form", name="Selected rasps and stacks")
        expect(form.get_by_role("button", name="Run")).to_be_disabled()


class TestPermissions:
    @pytest.mark.parametrize("user", ["vera", ""])
    def test_controls_are_hidden_from_viewers(
        self, open_page: OpenPage, url: str, user: str
    ) -> None:
        page = open_page("/", who=user)
        for path in ("/", "/rasps", "/rasps/10", "/stacks/3", "/orders"):
            page.goto(url + path)
            expect(page.get_by_role("main")).to_be_visible()
            expect(page.get_by_role("checkbox")).to_have_count(0)
            expect(page.get_by_role("button", name="Run")).to_have_count(0)
            expect(page.get_by_role("link", name="Audit")).to_have_count(0)

    def test_viewer_cannot_submit_orders(self, url: str, orders: OrderService) -> None:
        browser_session = BrowserSession(url)
        browser_session.log_in("vera")
        token = browser_session.csrf_token("/account")
        response = browser_session.post(
            "/orders", data={"action": "ping", "rasp": "10", "csrf_token": token}
        )
        assert response.status_code == 403
        assert browser_session.get("/orders/new?action=reboot&rasp=10").status_code == 403
        assert browser_session.get("/orders/1.txt").status_code == 403
        assert orders.list_recent(1) == []

    def test_order_without_csrf_token_is_rejected(self, url: str, orders: OrderService) -> None:
        browser_session = BrowserSession(url)
        browser_session.log_in("otto")
        assert (
            browser_session.post("/orders", data={"action": "ping", "rasp": "10"}).status_code
            == 403
        )
        assert browser_session.post("/orders/1/cancel").status_code == 403
        assert orders.list_recent(1) == []

    def test_invalid_form_is_rejected(self, url: str, orders: OrderService) -> None:
        browser_session = BrowserSession(url)
        browser_session.log_in("otto")
        token = browser_session.csrf_token("/account")
        forms: list[tuple[dict[str, str], int]] = [
            ({"action": "explode", "rasp": "10"}, 422),
            ({"action": "ping", "rasp": "99"}, 404),
            ({"action": "ping", "rasp": HOSTILE}, 404),
            ({"action": "read:" + HOSTILE, "rasp": "10"}, 422),
            ({"action": "power_off", "stack": "13", "confirmed": "yes"}, 404),
            ({}, 422),
        ]
        for fields, status in forms:
            response = browser_session.post("/orders", data=fields | {"csrf_token": token})
            assert response.status_code == status, fields
            assert "<script>window" not in response.text
            assert orders.list_recent(1) == []

    def test_reload_of_the_confirmation_submits_nothing(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        page = open_page("/orders/new?action=reboot&rasp=10", who="otto")
        page.reload()
        expect(page.get_by_role("button", name="Reboot")).to_be_visible()
        assert orders.list_recent(1) == []


def save_order(orders: OrderService, number: int = 1, **changes: object) -> Order:
    """Store a finished order."""
    fields: dict[str, object] = {
        "id": number,
        "request": OrderRequest("warnings", "rasps", (10,)),
        "targets": ("03-2",),
        "actor": "otto",
        "client_address": "10.0.0.1",
        "started_at": 1_795_552_960.0,
        "finished_at": 1_795_552_990.0,
        "state": OrderState.DONE,
        **changes,
    }
    order = Order(**fields)  # type: ignore[arg-type]
    orders._store.save(order)
    return order


def save_failed_order(orders: OrderService, number: int) -> None:
    """Store an order with all kinds of results."""
    save_order(
        orders,
        number,
        results=(
            TargetResult("rasp", "03-1", 9, Result.OK, output="no warnings\n"),
            TargetResult("rasp", "03-2", 10, Result.FAILED, detail="no response in 10 s"),
            TargetResult(
                "rasp", "03-3", 11, Result.UNKNOWN, readings=(Reading({"core": "0"}, 1.5),)
            ),
        ),
    )


def save_running_order(orders: OrderService, number: int) -> None:
    """Store an order in the state `running`."""
    results = (
        TargetResult("rasp", "03-2", 10, stage="shutting down"),
        TargetResult("rasp", "03-3", 11),
    )
    save_order(orders, number, state=OrderState.RUNNING, finished_at=None, results=results)


class TestOrderHistory:
    def test_card_of_a_rasp_shows_its_last_order_to_operators(
        self, client: FlaskClient, access: AccessControl, orders: OrderService
    ) -> None:
        save_failed_order(orders, 7)
        assert "Last order" not in client.get("/rasps/10/card").text
        client.set_cookie(SESSION_COOKIE, create_session(access, "otto"))
        link = '<dt>Last order</dt><dd><a tabindex="-1" href="/orders/7">'
        assert link in client.get("/rasps/10/card").text
        assert client.get("/rasps/99/card").status_code == 404

    def test_order_texts_are_escaped(self, open_page: OpenPage, orders: OrderService) -> None:
        hostile = HOSTILE + "x" * 10_000
        result = TargetResult(
            "rasp",
            "03-2",
            10,
            Result.FAILED,
            detail=hostile,
            output=hostile,
            readings=(Reading({HOSTILE: hostile}, 1.5),),
        )
        save_order(orders, actor="token:" + HOSTILE, client_address=HOSTILE, results=(result,))
        for path in ("/orders/1", "/orders", "/rasps/10"):
            page = open_page(path, who="otto", width=360)
            assert page.evaluate("window.isHacked") is None
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page = open_page("/orders/1", who="otto")
        expect(page.locator("pre")).to_have_text(hostile)

    def test_equal_outputs_share_a_row_and_failures_come_first(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        ok = [
            TargetResult("rasp", f"{number:02}-1", 4 * number - 3, Result.OK, output="up 3 days\n")
            for number in range(1, 13)
        ]
        failed = TargetResult("rasp", "03-2", 10, Result.FAILED, detail="no response in 10 s")
        save_order(orders, results=(*ok, failed))
        page = open_page("/orders/1", who="otto", width=360)
        rows = page.locator(".results tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("no response in 10 s")
        expect(rows.last).to_contain_text("12 targets")
        expect(rows.last.locator("code")).to_have_text("up 3 days")
        expect(rows.last.get_by_role("link")).to_have_count(12)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    def test_all_results_are_copied_and_available_as_plain_text(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        save_failed_order(orders, 1)
        page = open_page("/orders/1", who="otto")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy all").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("link", name="Plain text").click()
        expect(page).to_have_url(re.compile(r"/orders/1\.txt$"))
        assert page.locator("body").inner_text().strip() == copied.strip()
        assert "03-2: failed: no response in 10 s" in copied
        assert "    no warnings" in copied

    def test_copy_button_works_without_the_clipboard_interface_and_is_hidden_without_javascript(
        self,
        open_page: OpenPage,
        browser: Browser,
        url: str,
        access: AccessControl,
        orders: OrderService,
    ) -> None:
        save_failed_order(orders, 1)
        page = open_page("/orders/1", who="otto")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.get_by_role("button", name="Copy all").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        plain = browser.new_page(java_script_enabled=False)
        plain.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
        )
        plain.goto(f"{url}/orders/1")
        expect(plain.get_by_role("link", name="Plain text")).to_be_visible()
        expect(plain.get_by_role("button", name="Copy all")).to_be_hidden()
        plain.close()

    @pytest.mark.parametrize(
        ("state", "result", "text"),
        [
            (OrderState.DONE, Result.OK, "ok"),
            (OrderState.DONE, Result.UNKNOWN, "Result unknown for 03-2."),
            (OrderState.INTERRUPTED, Result.UNKNOWN, "interrupted"),
            (OrderState.CANCELLED, Result.FAILED, "cancelled"),
        ],
    )
    def test_order_page_shows_final_state(
        self,
        open_page: OpenPage,
        orders: OrderService,
        state: OrderState,
        result: Result,
        text: str,
    ) -> None:
        save_order(orders, state=state, results=(TargetResult("rasp", "03-2", 10, result),))
        page = open_page("/orders/1", who="otto")
        expect(page.get_by_role("main")).to_contain_text(text)

    def test_order_page_updates_progress(self, open_page: OpenPage, orders: OrderService) -> None:
        save_running_order(orders, 1)
        page = open_page("/orders/1", who="otto")
        progress = page.get_by_role("progressbar")
        expect(progress).to_have_js_property("value", 0)
        finished = TargetResult("rasp", "03-3", 11, Result.OK)
        running = TargetResult("rasp", "03-2", 10, stage="shutting down")
        save_order(orders, state=OrderState.RUNNING, finished_at=None, results=(running, finished))
        expect(progress).to_have_js_property("value", 1)
        save_order(orders, results=(replace(running, result=Result.OK), finished))
        expect(progress).to_have_count(0)

    def test_search_finds_orders_by_action_user_and_state(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        for number, action in enumerate(["reboot", "warnings", "uptime"], start=1):
            save_order(orders, number, request=OrderRequest(action, "rasps", (10,)))
        page = open_page("/orders", who="otto")
        expect(page.locator(".orders tbody tr")).to_have_count(3)
        page.get_by_label("Search").fill("warn")
        expect(page.locator(".orders tbody tr")).to_have_count(1)
        page.get_by_label("Search").fill("otto")
        expect(page.locator(".orders tbody tr")).to_have_count(3)
        page.get_by_label("State").select_option("cancelled")
        expect(page.get_by_text("No matching orders.")).to_be_visible()

    def test_older_orders_are_on_the_next_page(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        for number in range(1, 53):
            save_order(orders, number)
        page = open_page("/orders", who="otto")
        expect(page.locator(".orders tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Older orders").click()
        expect(page.locator(".orders tbody tr")).to_have_count(2)

    def test_missing_order_shows_an_error(self, open_page: OpenPage) -> None:
        page = open_page("/orders/7", who="otto")
        expect(page.get_by_role("main")).to_contain_text("no order 7")

    def test_operators_can_search_the_audit_log(
        self, open_page: OpenPage, access: AccessControl
    ) -> None:
        access.audit.record(AuditEvent("mallory", "10.9.9.9", "log in", "", "refused", HOSTILE))
        page = open_page("/orders", who="otto")
        page.get_by_role("link", name="Audit log").click()
        expect(page.get_by_role("main")).to_contain_text("mallory")
        expect(page.get_by_role("main")).to_contain_text(HOSTILE)
        assert page.evaluate("window.isHacked") is None
        page.get_by_label("Search").fill("no such actor")
        expect(page.get_by_text("No matching events.")).to_be_visible()


def test_post_forms_contain_the_csrf_token(app: Flask, url: str) -> None:
    browser_session = BrowserSession(url)
    browser_session.log_in("otto")
    for path in ("/", "/rasps", "/rasps/10", "/stacks/3", "/orders/new?action=reboot&rasp=10"):
        text = browser_session.get(path).text
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)
        assert len(forms) >= 2, path
        for form in forms:
            assert 'name="csrf_token"' in form, (path, form)
