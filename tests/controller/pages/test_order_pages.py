"""Ordering from the pages, in a real browser.

In this rack nobody answers: what is ordered fails, and the pages have to say so. How it is in a
rack that answers is shown by `test_whole_flows`.
"""

import re
from dataclasses import replace

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect

from controller.audit import AuditEvent
from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.orders.model import Order, OrderRequest, OrderState, Reading, Result, TargetResult
from controller.orders.service import OrderService
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState
from tests.controller.http_client import BrowserSession, add_users, create_session
from tests.controller.pages.test_rack_page import cell

HOSTILE = "<script>window.isHacked = true</script>\"'>&"


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def selected_names(page: Page) -> list[str]:
    boxes = page.locator("input.pick[name=rasp]:checked")
    return [str(box.get_attribute("aria-label")).removeprefix("Select ") for box in boxes.all()]


def selection_summary(page: Page) -> Locator:
    return page.locator("#picked")


def submit_order(page: Page, action: str) -> None:
    form = page.get_by_role("form", name="Act on what is ticked")
    form.get_by_label("What to do").select_option(action)
    form.get_by_role("button", name="Order").click()


class TestSelection:
    def test_a_rasp_is_ticked_by_its_box_and_a_stack_by_its_own(self, open_page: OpenPage) -> None:
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

    def test_ctrl_and_a_click_tick_one_and_shift_all_up_to_there(self, open_page: OpenPage) -> None:
        page = open_page(who="otto")
        cell(page, "03-2").click(modifiers=["Control"])
        cell(page, "04-1").click(modifiers=["Shift"])
        assert selected_names(page) == ["03-2", "03-3", "03-4", "04-1"]
        page.keyboard.press("Escape")
        assert selected_names(page) == []

    def test_a_frame_ticks_what_it_touches_and_is_no_click(self, open_page: OpenPage) -> None:
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
        expect(page.locator(".frame")).to_have_count(0)
        cell(page, "02-1").click()
        expect(page.get_by_role("heading", name="02-1")).to_be_visible()

    def test_by_keyboard_alone_rasps_are_ticked_and_an_order_is_given(
        self, open_page: OpenPage
    ) -> None:
        page = open_page(who="otto")
        cell(page, "03-2").focus()
        for key in ("Space", "ArrowRight", "Space"):
            page.keyboard.press(key)
        assert selected_names(page) == ["03-2", "04-2"]
        for _ in range(200):
            if page.evaluate("document.activeElement.id") == "do":
                break
            page.keyboard.press("Tab")
        page.keyboard.type("Reboot")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="2 rasps will go down")).to_be_visible()

    def test_what_is_ticked_stays_ticked_while_the_rack_changes(
        self, open_page: OpenPage, rack_state: FakeRackState
    ) -> None:
        page = open_page(who="otto")
        page.get_by_label("Select stack 05").check()
        page.get_by_label("Select 03-2").check()
        rack_state.state_values |= {"03-2": 0.0, "05-1": 4.0}
        expect(cell(page, "03-2")).to_contain_text("down", timeout=10_000)
        assert selected_names(page) == ["03-2", "05-1", "05-2", "05-3", "05-4"]
        expect(page.get_by_label("Select stack 05")).to_be_checked()

    def test_power_is_offered_for_whole_stacks_alone(self, open_page: OpenPage) -> None:
        page = open_page("/manage", who="otto")
        power = page.locator("#act optgroup[data-power]")
        page.get_by_label("Select 03-2").check()
        expect(power).to_be_disabled()
        page.get_by_label("Select stack 04").check()
        expect(power).to_be_enabled()

    def test_in_the_table_all_that_is_shown_is_ticked_at_once(self, open_page: OpenPage) -> None:
        page = open_page("/manage", who="otto")
        page.get_by_label("Search").fill("03-")
        expect(page.locator("#found")).to_have_text("4 of 48 rasps")
        page.get_by_label("Select all that are shown").check()
        assert selected_names(page) == ["03-1", "03-2", "03-3", "03-4"]


class TestOrdering:
    def test_what_takes_rasps_down_is_confirmed_first_by_their_names(
        self, open_page: OpenPage
    ) -> None:
        page = open_page("/manage", who="otto")
        page.get_by_label("Select 03-2").check()
        page.get_by_label("Select stack 05").check()
        submit_order(page, "reboot")
        expect(page.get_by_role("heading", name="5 rasps will go down")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text("03-2 05-1 05-2 05-3 05-4")
        page.get_by_role("link", name="Do nothing").click()
        expect(page).to_have_url(re.compile("/manage$"))
        page.goto(page.url.replace("manage", "orders"))
        expect(page.get_by_text("Nothing was ordered yet.")).to_be_visible()

    def test_each_result_is_told_and_where_it_failed_it_is_tried_again(
        self, open_page: OpenPage
    ) -> None:
        page = open_page("/rasps/10", who="otto")
        page.get_by_label("This rasp").select_option("reboot")
        page.get_by_role("button", name="Order").click()
        page.get_by_role("button", name="Reboot").click()
        expect(page.get_by_role("heading", name="Order 1: reboot")).to_contain_text("failed")
        expect(page.locator("#rasp-10")).to_contain_text("no host key of 10.23.3.2")
        page.get_by_role("button", name="Try again where it failed").click()
        page.get_by_role("button", name="Reboot").click()
        expect(page.get_by_role("heading", name="Order 2: reboot")).to_be_visible()
        page.get_by_role("link", name="03-2").click()
        expect(page.get_by_role("main")).to_contain_text("2 reboot failed")

    def test_a_ping_is_asked_for_at_once(self, open_page: OpenPage) -> None:
        page = open_page("/stacks/3", who="otto")
        page.get_by_label("This stack").select_option("ping")
        page.get_by_role("button", name="Order").click()
        expect(page.get_by_role("heading", name="Order 1: ping")).to_be_visible()
        expect(page.locator(".results tbody tr")).to_have_count(4)

    def test_a_cut_says_which_stack_loses_power_and_may_be_forced(
        self, open_page: OpenPage
    ) -> None:
        page = open_page("/stacks/3", who="otto")
        page.get_by_label("This stack").select_option("power_off")
        page.get_by_role("button", name="Order").click()
        expect(page.get_by_role("main")).to_contain_text("Power: stack 03.")
        page.get_by_label("Cut the power at once").check()
        page.get_by_role("button", name="Power off").click()
        expect(page.get_by_role("heading", name="power off at once")).to_be_visible()
        expect(page.locator("#stack-3")).to_be_visible()

    def test_the_whole_rack_is_ordered_from_the_table(self, open_page: OpenPage) -> None:
        page = open_page("/manage", who="otto")
        page.get_by_label("The whole rack").select_option("shutdown")
        page.locator(".act").get_by_role("button", name="Order").click()
        expect(page.get_by_role("heading", name="48 rasps will go down")).to_be_visible()

    def test_without_scripts_an_order_is_given_too(
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
        ("ticks", "what", "told"),
        [
            ([], "ping", "nothing is ticked"),
            (["Select 03-2"], "power_off", "power is switched by whole stacks"),
        ],
    )
    def test_without_scripts_a_mistake_is_told_with_its_mend(
        self,
        browser: Browser,
        url: str,
        access: AccessControl,
        ticks: list[str],
        what: str,
        told: str,
    ) -> None:
        page = browser.new_page(java_script_enabled=False)
        page.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": create_session(access, "otto"), "url": url}]
        )
        page.goto(f"{url}/manage")
        for tick in ticks:
            page.get_by_label(tick, exact=True).check()
        submit_order(page, what)
        expect(page.get_by_role("main")).to_contain_text(told)
        page.close()


class TestPermissions:
    @pytest.mark.parametrize("path", ["/", "/manage", "/rasps/10", "/stacks/3", "/orders"])
    @pytest.mark.parametrize("who", ["vera", ""])
    def test_what_a_viewer_may_not_do_is_not_offered(
        self, open_page: OpenPage, path: str, who: str
    ) -> None:
        page = open_page(path, who=who)
        expect(page.get_by_role("main")).to_be_visible()
        expect(page.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("button", name="Order")).to_have_count(0)
        expect(page.get_by_role("link", name="Audit")).to_have_count(0)

    def test_a_viewer_who_tries_is_refused(self, url: str, orders: OrderService) -> None:
        visitor = BrowserSession(url)
        visitor.log_in("vera")
        token = visitor.csrf_token("/account")
        answer = visitor.post("/orders", data={"do": "ping", "rasp": "10", "csrf_token": token})
        assert answer.status_code == 403
        assert visitor.get("/orders/new?do=reboot&rasp=10").status_code == 403
        assert orders.list_recent(1) == []

    def test_an_order_without_the_pages_token_is_refused(
        self, url: str, orders: OrderService
    ) -> None:
        visitor = BrowserSession(url)
        visitor.log_in("otto")
        assert visitor.post("/orders", data={"do": "ping", "rasp": "10"}).status_code == 403
        assert visitor.post("/orders/1/cancel").status_code == 403
        assert orders.list_recent(1) == []

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"do": "explode", "rasp": "10"}, 422),
            ({"do": "ping", "rasp": "99"}, 404),
            ({"do": "ping", "rasp": HOSTILE}, 422),
            ({"do": "read:" + HOSTILE, "rasp": "10"}, 422),
            ({"do": "power_off", "stack": "13", "confirmed": "yes"}, 404),
            ({}, 422),
        ],
    )
    def test_nonsense_is_refused_and_nothing_is_ordered(
        self, url: str, orders: OrderService, fields: dict[str, str], status: int
    ) -> None:
        visitor = BrowserSession(url)
        visitor.log_in("otto")
        answer = visitor.post(
            "/orders", data=fields | {"csrf_token": visitor.csrf_token("/account")}
        )
        assert answer.status_code == status
        assert "<script>window" not in answer.text
        assert orders.list_recent(1) == []

    def test_a_reload_of_the_confirmation_orders_nothing(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        page = open_page("/orders/new?do=reboot&rasp=10", who="otto")
        page.reload()
        expect(page.get_by_role("button", name="Reboot")).to_be_visible()
        assert orders.list_recent(1) == []


def save_order(orders: OrderService, number: int = 1, **changes: object) -> Order:
    """Keep an order that is over, as if it had been given."""
    given: dict[str, object] = {
        "id": number,
        "wanted": OrderRequest("warnings", "rasps", (10,)),
        "targets": ("03-2",),
        "who": "otto",
        "origin": "10.0.0.1",
        "began": 1_795_552_960.0,
        "ended": 1_795_552_990.0,
        "state": OrderState.DONE,
        **changes,
    }
    order_ = Order(**given)  # type: ignore[arg-type]
    orders._store.save(order_)
    return order_


def save_failed_order(orders: OrderService, number: int) -> None:
    """Keep an order that has failed half-way, with all that an order can tell."""
    save_order(
        orders,
        number,
        outcomes=(
            TargetResult("rasp", "03-1", 9, Result.OK, output="all is well\n"),
            TargetResult("rasp", "03-2", 10, Result.FAILED, detail="no answer in 10 s"),
            TargetResult(
                "rasp", "03-3", 11, Result.UNKNOWN, readings=(Reading({"core": "0"}, 1.5),)
            ),
        ),
    )


def save_running_order(orders: OrderService, number: int) -> None:
    """Keep an order that looks as if it ran."""
    outcomes = (
        TargetResult("rasp", "03-2", 10, stage="shutting down"),
        TargetResult("rasp", "03-3", 11),
    )
    save_order(orders, number, state=OrderState.RUNNING, ended=None, outcomes=outcomes)


class TestOrderHistory:
    def test_whatever_an_action_prints_is_shown_as_it_is(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        hostile = HOSTILE + "x" * 10_000
        outcome = TargetResult(
            "rasp",
            "03-2",
            10,
            Result.FAILED,
            detail=hostile,
            output=hostile,
            readings=(Reading({HOSTILE: hostile}, 1.5),),
        )
        save_order(orders, who="token:" + HOSTILE, origin=HOSTILE, outcomes=(outcome,))
        for path in ("/orders/1", "/orders", "/rasps/10"):
            page = open_page(path, who="otto", width=360)
            assert page.evaluate("window.isHacked") is None
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page = open_page("/orders/1", who="otto")
        expect(page.locator("pre")).to_have_text(hostile)

    @pytest.mark.parametrize(
        ("state", "result", "told"),
        [
            (OrderState.DONE, Result.OK, "ok"),
            (OrderState.DONE, Result.UNKNOWN, "Nobody knows whether it was done on 03-2."),
            (OrderState.INTERRUPTED, Result.UNKNOWN, "interrupted"),
            (OrderState.CANCELLED, Result.FAILED, "cancelled"),
        ],
    )
    def test_each_end_of_an_order_has_its_words(
        self,
        open_page: OpenPage,
        orders: OrderService,
        state: OrderState,
        result: Result,
        told: str,
    ) -> None:
        save_order(orders, state=state, outcomes=(TargetResult("rasp", "03-2", 10, result),))
        page = open_page("/orders/1", who="otto")
        expect(page.get_by_role("main")).to_contain_text(told)

    def test_progress_moves_while_one_looks(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        save_running_order(orders, 1)
        page = open_page("/orders/1")
        progress = page.get_by_role("progressbar")
        expect(progress).to_have_js_property("value", 0)
        done = TargetResult("rasp", "03-3", 11, Result.OK)
        open_ = TargetResult("rasp", "03-2", 10, stage="shutting down")
        save_order(orders, state=OrderState.RUNNING, ended=None, outcomes=(open_, done))
        expect(progress).to_have_js_property("value", 1, timeout=10_000)
        save_order(orders, outcomes=(replace(open_, result=Result.OK), done))
        expect(progress).to_have_count(0, timeout=10_000)

    def test_orders_are_found_by_who_what_and_where(
        self, open_page: OpenPage, orders: OrderService
    ) -> None:
        for number, action in enumerate(["reboot", "warnings", "uptime"], start=1):
            save_order(orders, number, wanted=OrderRequest(action, "rasps", (10,)))
        page = open_page("/orders")
        expect(page.locator(".orders tbody tr")).to_have_count(3)
        page.get_by_label("Search").fill("warn")
        expect(page.locator(".orders tbody tr")).to_have_count(1, timeout=10_000)
        page.get_by_label("Search").fill("otto")
        expect(page.locator(".orders tbody tr")).to_have_count(3, timeout=10_000)
        page.get_by_label("State").select_option("cancelled")
        expect(page.get_by_text("No order fits.")).to_be_visible()

    def test_older_orders_are_a_link_away(self, open_page: OpenPage, orders: OrderService) -> None:
        for number in range(1, 53):
            save_order(orders, number)
        page = open_page("/orders")
        expect(page.locator(".orders tbody tr")).to_have_count(50)
        page.get_by_role("link", name="Older ones").click()
        expect(page.locator(".orders tbody tr")).to_have_count(2)

    def test_an_order_that_is_not_there_says_so(self, open_page: OpenPage) -> None:
        page = open_page("/orders/7")
        expect(page.get_by_role("main")).to_contain_text("no order 7")

    def test_operators_read_the_audit(self, open_page: OpenPage, access: AccessControl) -> None:
        access.audit.record(AuditEvent("mallory", "10.9.9.9", "log in", "", "refused", HOSTILE))
        page = open_page("/orders", who="otto")
        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_role("main")).to_contain_text("mallory")
        expect(page.get_by_role("main")).to_contain_text(HOSTILE)
        assert page.evaluate("window.isHacked") is None
        page.get_by_label("Search").fill("somebody else")
        expect(page.get_by_text("No event fits.")).to_be_visible(timeout=10_000)


def test_every_form_that_changes_something_has_the_token(app: Flask, url: str) -> None:
    visitor = BrowserSession(url)
    visitor.log_in("otto")
    for path in ("/", "/manage", "/rasps/10", "/stacks/3", "/orders/new?do=reboot&rasp=10"):
        text = visitor.get(path).text
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)
        assert len(forms) >= 2, path
        for form in forms:
            assert 'name="csrf_token"' in form, (path, form)
