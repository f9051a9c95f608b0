"""End-to-end tests of the pages with a browser, a controller, Prometheus and the virtual rack."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from controller.auth.access_control import AccessControl
from rack.database import Database
from tests.controller.http_client import add_users
from tests.controller.pages.test_login_page import log_in
from tests.controller.pages.test_order_pages import submit_order
from tests.controller.pages.test_rack_page import cell
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

ORDER_SETTINGS = """
boot_seconds = 20
shutdown_seconds = 30
disk_settle_seconds = 0
off_seconds = 0.5
"""


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    with running_rack(
        tmp_path_factory.mktemp("rack"), orders=ORDER_SETTINGS, boot_seconds=1.0
    ) as rack_process:
        rack_process.start_blackbox()
        rack_process.start_prometheus()
        rack_process.wait_until_up()
        yield rack_process


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    controller = rack_process.start_controller()
    add_users(AccessControl(Database(rack_process.state_folder / "pirack.db")))
    wait_until(lambda: controller.get("rack")["states"]["up"] == len(rack_process.phases))
    return controller


@pytest.fixture
def open_page_as(
    browser: Browser, controller: ControllerProcess
) -> Iterator[Callable[[str], Page]]:
    """Log in a user. Page errors and requests to other hosts fail the test."""
    problems: list[str] = []
    pages = []

    def open_page(user: str) -> Page:
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(controller.url) else problems.append(request.url)
            ),
        )
        pages.append(page)
        page.goto(f"{controller.url}/login")
        log_in(page, user)
        expect(page.locator(".rack a.rasp")).to_have_count(6)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text)


def test_stack_is_powered_off_and_on(
    open_page_as: Callable[[str], Page], rack_process: RackProcess
) -> None:
    page = open_page_as("otto")
    expect(cell(page, "02-1")).to_contain_text("°C")
    page.get_by_label("Select stack 02").check()
    submit_order(page, "power_off")
    expect(heading(page, "2 rasps will go down")).to_be_visible()
    page.get_by_role("button", name="Power off").click()
    expect(heading(page, "power off")).to_contain_text("ok")
    assert rack_process.power == ["on", "off", "on"]

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Rack").click()
    expect(cell(page, "02-1")).to_contain_text("off")
    expect(page.locator(".stack-2")).to_contain_text("power off")
    expect(cell(page, "03-1")).to_contain_text("°C")

    page.get_by_label("Select stack 02").check()
    submit_order(page, "power_on")
    expect(heading(page, "power on")).to_contain_text("ok")
    page.get_by_role("link", name="02-1").click()
    expect(page.get_by_role("main")).to_contain_text("power on ok")
    alias = page.get_by_role("rowheader", name="cpu_temperature_celsius")
    expect(alias).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Activity").click()
    for action, changes in (
        ("power off", ("stack 02 off",)),
        ("power on", ("stack 02 on", "02-1 (up|booted)")),
    ):
        group = page.locator(".event-group", has_text=f"{action} stack 02: ok")
        group.locator("summary").click()
        for change in changes:
            expect(group.get_by_role("link", name=re.compile(change)).first).to_be_visible()


def test_running_order_shows_progress_and_can_be_cancelled(
    open_page_as: Callable[[str], Page], rack_process: RackProcess
) -> None:
    rack_process.inject_fault("3", "dead")
    try:
        page = open_page_as("otto")
        page.goto(page.url + "stacks/3")
        page.get_by_label("Action for this stack").select_option("power_cycle")
        page.get_by_role("button", name="Run").click()
        page.get_by_label("Cut power immediately").check()
        page.get_by_role("button", name="Power cycle").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        page.get_by_role("button", name="Cancel order").click()
        expect(heading(page, "power cycle")).to_contain_text("cancelled")
    finally:
        rack_process.clear_fault("3")
    rack_process.wait_until_up()


def test_order_page_shows_alias_value_and_action_output(
    open_page_as: Callable[[str], Page],
) -> None:
    page = open_page_as("otto")
    page.get_by_label("Select 01-1").check()
    submit_order(page, "read:cpu_temperature_celsius")
    expect(heading(page, "read cpu_temperature_celsius")).to_contain_text("ok")
    expect(page.locator("#rasp-1 b")).to_have_text(re.compile(r"\d\d"))
    page.get_by_role("link", name="PiRack").click()
    page.get_by_label("Select 01-2").check()
    submit_order(page, "uptime")
    expect(heading(page, "uptime")).to_contain_text("ok")
    expect(page.locator(".output-line")).to_contain_text("load average")


def test_failed_targets_of_an_order_can_be_retried(
    open_page_as: Callable[[str], Page], rack_process: RackProcess
) -> None:
    rack_process.inject_fault("1/2", "dead")
    wait_until(lambda: rack_process.exporters_reachable(1) == [True, False])
    try:
        page = open_page_as("otto")
        page.goto(page.url + "stacks/1")
        page.get_by_label("Action for this stack").select_option("uptime")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_text("Failed on 01-2.")).to_be_visible()
        expect(page.locator("#rasp-1")).to_contain_text("ok")
    finally:
        rack_process.clear_fault("1/2")
    wait_until(lambda: rack_process.exporters_reachable(1) == [True, True])
    page.get_by_role("button", name="Retry failed targets").click()
    expect(page.locator(".results tbody tr")).to_have_count(1)
    expect(heading(page, "uptime")).to_contain_text("ok")


def test_rasp_page_shows_history_with_text_alternatives(
    open_page_as: Callable[[str], Page],
) -> None:
    page = open_page_as("vera")
    page.goto(page.url + "rasps/1")
    chart = page.get_by_role("img", name="Temperature in °C: 01-1")
    expect(chart).to_be_visible()
    expect(page.get_by_role("img", name="State of 01-1")).to_be_visible()
    page.get_by_role("link", name="7d").click()
    expect(page.get_by_role("link", name="7d")).to_have_attribute("aria-current", "true")
