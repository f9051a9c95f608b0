"""Installing from the pages, in a real browser, on a loopback rack of two stacks of two."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect
from prometheus_client import CollectorRegistry

from controller.alerts.service import AlertService
from controller.auth.access_control import AccessControl
from controller.dependencies import Dependencies
from controller.installation.service import InstallService
from controller.master.info import MasterInfo
from controller.orders.service import OrderService
from controller.reservations import Reservations
from controller.state.build import build_rack_state
from controller.state.history import RaspHistory
from controller.state.prometheus import Prometheus
from controller.web.app import create_app
from tests.controller.conftest import OpenPage
from tests.controller.http_client import BrowserSession, add_users
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from virtual_rack.faults import Fault

UNMANAGED_CONFIG = "# ours\n"
TIMEOUT_MS = 60_000
AXE = Axe()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(UNMANAGED_CONFIG)
        yield lab


@pytest.fixture
def access(lab: InstallFixture) -> AccessControl:
    access = AccessControl(lab.database, anonymous="viewer")
    add_users(access)
    return access


@pytest.fixture
def installation(lab: InstallFixture, access: AccessControl) -> Iterator[InstallService]:
    installation = InstallService(lab.dependencies(relays=lab.relays), Reservations(), access.audit)
    yield installation
    installation.close()


@pytest.fixture
def app(
    lab: InstallFixture,
    tmp_path: Path,
    access: AccessControl,
    orders: OrderService,
    installation: InstallService,
    alert_service: AlertService,
) -> Flask:
    return create_app(
        Dependencies(
            state=lambda: build_rack_state(lab.rack, lab.inventory.rasps(), []),
            master=MasterInfo(tmp_path, []).read,
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            installation=installation,
            alerts=alert_service,
            history=RaspHistory(lab.rack.name, Prometheus("http://127.0.0.1:1")),
        )
    )


def start_install(page: Page, rack_name: str = "lab") -> None:
    page.get_by_label("To begin, type the rack’s name").fill(rack_name)
    page.get_by_role("button", name="Cut all stacks and install").click()


def expect_state(page: Page, expected: str) -> None:
    latest = page.get_by_role("region", name="Install 1")
    expect(latest.get_by_role("heading", name="Install 1")).to_contain_text(
        expected, timeout=TIMEOUT_MS
    )


def test_a_rack_that_was_never_installed_leads_to_the_install(open_page: OpenPage) -> None:
    page = open_page(who="otto")
    expect(page.get_by_text("No Raspberry Pi is known yet.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="install", exact=True).click()
    expect(page.get_by_text("This rack was never installed")).to_be_visible()
    expect(page.get_by_text("All 2 stacks are cut, several times.")).to_be_visible()


def test_an_install_is_begun_by_the_racks_name_followed_and_told(
    open_page: OpenPage, lab: InstallFixture
) -> None:
    page = open_page("/install", who="otto")
    start_install(page, "another")
    expect(page.get_by_role("alert").last).to_contain_text("type the rack's name: lab")
    assert lab.known_rasps == []
    start_install(page)
    expect(page.get_by_role("progressbar", name="Rasps found")).to_be_visible()
    expect_state(page, "done")
    expect(page.get_by_role("region", name="Stack 01")).to_contain_text("2 of 2")
    for rasp in lab.rasps:
        expect(page.get_by_role("group", name="Who was found")).to_contain_text(rasp.mac)
    page.get_by_text("What changed in dhcpd.conf").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    expect(page.get_by_role("region", name="Earlier")).to_contain_text("4 of 4")
    assert {rasp.mac for rasp in lab.known_rasps} == {rasp.mac for rasp in lab.rasps}
    page.get_by_role("link", name="Rack", exact=True).click()
    expect(page.get_by_text("No Raspberry Pi is known yet.")).to_have_count(0)


def test_who_is_missing_is_told_with_what_to_look_at(
    open_page: OpenPage, lab: InstallFixture
) -> None:
    lab.inject_fault(2, 1, Fault.DEAD)
    page = open_page("/install", who="otto")
    start_install(page)
    expect_state(page, "done")
    expect(page.get_by_text("Stack 02: 1 missing.")).to_be_visible()
    assert AXE.run(page).response["violations"] == []


def test_an_install_is_stopped(open_page: OpenPage, lab: InstallFixture) -> None:
    lab.inject_fault(1, 1, Fault.DEAD)  # so that it is waited for
    page = open_page("/install", who="otto", width=360)
    start_install(page)
    page.get_by_role("button", name="Stop").click()
    expect_state(page, "stopped")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert lab.known_rasps == []
    assert lab.config_path.read_text() == UNMANAGED_CONFIG


def test_a_check_shows_what_would_change_and_changes_nothing(
    open_page: OpenPage, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    page = open_page("/install", who="otto")
    page.get_by_role("link", name="Check only").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    assert lab.config_path.read_text() == UNMANAGED_CONFIG


def test_a_viewer_sees_what_an_install_is_and_cannot_begin(open_page: OpenPage, url: str) -> None:
    page = open_page("/install", who="vera")
    expect(page.get_by_text("To begin takes an operator.")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)
    visitor = BrowserSession(url)
    visitor.log_in("vera")
    token = visitor.csrf_token("/account")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        answer = visitor.post(path, data={"name": "lab", "rasp": "1", "csrf_token": token})
        assert answer.status_code == 403, path


def test_nothing_is_begun_without_the_pages_token(url: str, lab: InstallFixture) -> None:
    visitor = BrowserSession(url)
    visitor.log_in("otto")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        assert visitor.post(path, data={"name": "lab"}).status_code == 403
    assert lab.known_rasps == []


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/install", {"name": "lab", "strategy": "guess"}, 422),
        ("/install/stop", {}, 409),
        ("/replace", {"rasp": "99"}, 404),
        ("/replace", {"rasp": "<script>"}, 422),
        ("/swap", {"rasp": "1", "other": "3"}, 422),
    ],
)
def test_nonsense_is_refused(url: str, path: str, fields: dict[str, str], status: int) -> None:
    visitor = BrowserSession(url)
    visitor.log_in("otto")
    answer = visitor.post(path, data=fields | {"csrf_token": visitor.csrf_token("/account")})
    assert answer.status_code == status
    assert visitor.get("/install/7").status_code == 404


def test_two_rasps_of_a_stack_are_swapped(open_page: OpenPage, lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    before = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known_rasps}
    page = open_page("/rasps/1", who="otto")
    page.get_by_label("Swap its slot with").select_option("01-2")
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("heading", name="Swap 1")).to_contain_text("done")
    after = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known_rasps}
    assert after[1, 1] == before[1, 2]
    assert after[1, 2] == before[1, 1]


def test_a_board_is_replaced_after_one_is_told_what_goes_down(
    open_page: OpenPage, lab: InstallFixture
) -> None:
    lab.inventory.replace(lab.rasps)
    page = open_page("/rasps/1", who="otto")
    page.get_by_role("link", name="Replace the board").click()
    expect(page.get_by_role("heading", name="The power of stack 01 is cut")).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    page.get_by_role("button", name="Wait for the new board").click()
    expect(page.get_by_role("heading", name="Replacement 1")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=TIMEOUT_MS)
