"""Tests of the install pages in a browser, on a loopback rack of two stacks with two rasps."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect
from prometheus_client import CollectorRegistry

from controller.alerts.service import AlertService
from controller.app import create_app
from controller.auth.access_control import AccessControl
from controller.claims import StackClaims
from controller.dependencies import Dependencies
from controller.installation.service import InstallService
from controller.master.info import MasterInfo
from controller.orders.service import OrderService
from controller.state.build import build_rack_state
from controller.state.history import RaspHistory
from controller.state.model import RackState
from controller.state.prometheus import Prometheus
from dhcp_installer.install.journal import InstallKind, InstallState
from dhcp_installer.install.progress import Stage
from rack.power.outlets import Outlets
from tests.controller.compiled_templates import COMPILED_TEMPLATES
from tests.controller.conftest import OpenPage
from tests.controller.fakes import doctor_for, experiment_service_for, reservation_service_for
from tests.controller.http_client import BrowserSession, add_users
from tests.dhcp_installer.install_fixture import (
    BOOT_TIMEOUT,
    REPLACE_TIMEOUT,
    InstallFixture,
    running_fixture,
)
from tests.helpers.waiting import free_port, wait_until
from virtual_rack.faults import Fault

pytestmark = pytest.mark.process

UNMANAGED_CONFIG = "# unmanaged\n"
AXE = Axe()


@pytest.fixture
def is_mixed(request: pytest.FixtureRequest) -> bool:
    """Whether the rasps of stack 1 have outlets of their own."""
    return getattr(request, "param", False)


@pytest.fixture
def install_fixture(tmp_path: Path, is_mixed: bool) -> Iterator[InstallFixture]:
    options: dict[str, Any] = {}
    if is_mixed:
        plug = f"plugs:127.0.0.1:{free_port()}"
        stacks = [
            {"outlets": [f"{plug}/0", f"{plug}/1"], "slots": 2, "x": 0, "y": 0},
            {"pin": 16, "x": 1, "y": 0},
        ]
        power_tables = '[power.plugs]\ndriver = "http"\napi = "shelly"\n'
        options = {"stacks": stacks, "power_tables": power_tables, "cut_seconds": 0.5}
    with running_fixture(tmp_path, **options) as install_fixture:
        install_fixture.config_path.write_text(UNMANAGED_CONFIG)
        yield install_fixture


@pytest.fixture
def access(install_fixture: InstallFixture) -> AccessControl:
    access = AccessControl(install_fixture.database, anonymous="viewer")
    add_users(access)
    return access


@pytest.fixture
def outlets(install_fixture: InstallFixture) -> Outlets:
    return install_fixture.outlets


@pytest.fixture
def installation(
    install_fixture: InstallFixture, outlets: Outlets, access: AccessControl
) -> Iterator[InstallService]:
    installation = InstallService(
        install_fixture.dependencies(outlets=outlets), StackClaims(), access.audit
    )
    yield installation
    installation.close()


@pytest.fixture
def app(
    install_fixture: InstallFixture,
    tmp_path: Path,
    access: AccessControl,
    orders: OrderService,
    installation: InstallService,
    alert_service: AlertService,
) -> Flask:
    def read_state() -> RackState:
        return build_rack_state(install_fixture.rack, install_fixture.inventory.rasps(), [])

    reservations = reservation_service_for(access, tmp_path)
    return create_app(
        Dependencies(
            state=read_state,
            master=MasterInfo(tmp_path, []).read,
            doctor=doctor_for(),
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            reservations=reservations,
            experiments=experiment_service_for(orders, reservations, tmp_path, read_state),
            installation=installation,
            alerts=alert_service,
            history=RaspHistory(install_fixture.rack.name, Prometheus("http://127.0.0.1:1")),
        ),
        COMPILED_TEMPLATES,
    )


def start_install(page: Page, rack_name: str = "lab") -> None:
    page.get_by_label("To start, enter the rack name").fill(rack_name)
    page.get_by_role("button", name="Start install").click()


def expect_state(page: Page, expected: str) -> None:
    latest = page.get_by_role("region", name="Install 1")
    expect(latest.get_by_role("heading", name="Install 1")).to_contain_text(expected)


def test_rack_page_of_an_uninstalled_rack_links_to_the_install(open_page: OpenPage) -> None:
    page = open_page(who="otto")
    expect(page.get_by_text("No Raspberry Pi is installed.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Install the rack").click()
    expect(page.get_by_text("This rack is not installed")).to_be_visible()
    expect(page.get_by_text("The power of all 2 stacks is cut several times.")).to_be_visible()


def test_install_requires_the_rack_name_and_shows_progress_and_result(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    page = open_page("/install", who="otto")
    start_install(page, "another")
    expect(page.get_by_role("alert").last).to_contain_text("enter the rack name: lab")
    assert install_fixture.known_rasps == []
    start_install(page)
    expect(page.get_by_role("progressbar", name="Rasps found")).to_be_visible()
    expect_state(page, "done")
    expect(page.get_by_role("region", name="Stack 01")).to_contain_text("2 of 2")
    for rasp in install_fixture.rasps:
        expect(page.get_by_role("group", name="Discovered rasps")).to_contain_text(rasp.mac)
    page.get_by_text("Changes to dhcpd.conf", exact=True).click()
    expect(page.locator(".diff .added").first).to_be_visible()
    expect(page.get_by_role("region", name="Recent installs")).to_contain_text("4 of 4")
    assert {rasp.mac for rasp in install_fixture.known_rasps} == {
        rasp.mac for rasp in install_fixture.rasps
    }
    page.get_by_role("link", name="Rack", exact=True).click()
    expect(page.get_by_text("No Raspberry Pi is installed.")).to_have_count(0)


@pytest.mark.parametrize("is_mixed", [True], indirect=True)
def test_install_shows_the_slots_that_it_found_and_the_stacks_without_slots(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    page = open_page("/install", who="otto", width=360, scheme="dark")
    expect(page.get_by_text("or only the stack if its rasps share an outlet")).to_be_visible()
    start_install(page)
    expect_state(page, "done")
    places = page.get_by_role("region", name="Stack 01").locator(".mac")
    rasps = install_fixture.rasps
    expect(places).to_have_text([f"{rasp.name} {rasp.mac}" for rasp in rasps[:2]])
    places = page.get_by_role("region", name="Stack 02").locator(".mac")
    expect(places).to_have_text([rasp.mac for rasp in rasps[2:]])
    page.get_by_text("2 slots found by switching their outlets").click()
    row = page.get_by_role("row", name=rasps[0].name)
    expect(row).to_contain_text(rasps[0].mac)
    expect(row).to_contain_text("its outlet alone")
    note = page.get_by_text("Only the stack was found of the rasps in stack 02")
    expect(note).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    note.get_by_role("link", name="02").click()
    expect(page.get_by_role("heading", name="Stack 02")).to_be_visible()


def test_missing_rasps_are_listed_as_issues(
    open_page: OpenPage, install_fixture: InstallFixture, installation: InstallService
) -> None:
    install_fixture.inject_fault(2, 1, Fault.DEAD)
    page = open_page("/install", who="otto")
    start_install(page)

    def has_finished() -> bool:
        """Skip the times that the install waits for the dead rasp, and for addresses at the end."""
        latest = installation.latest()
        assert latest is not None
        report = latest.report
        has_found_all = report.rasps_found == 3 and report.stacks_done == 0
        if all(install_fixture.power) and (has_found_all or report.stage is Stage.VERIFY):
            install_fixture.clock.advance(BOOT_TIMEOUT)
        return latest.state is InstallState.DONE

    wait_until(has_finished)
    expect_state(page, "done, 1 missing")
    badge = page.get_by_role("heading", name="Install 1").locator(".badge")
    expect(badge).to_have_class(re.compile("is-warning"))
    recent = page.get_by_role("region", name="Recent installs")
    expect(recent).to_contain_text("done, 1 missing")
    expect(recent).to_contain_text("3 of 4")
    expect(page.get_by_text("Stack 02: 1 missing.")).to_be_visible()
    assert AXE.run(page).response["violations"] == []


def test_stopped_install_changes_nothing(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    install_fixture.inject_fault(1, 1, Fault.DEAD)  # the install waits for this rasp
    page = open_page("/install", who="otto", width=360)
    start_install(page)
    page.get_by_role("button", name="Stop install").click()
    expect_state(page, "stopped")
    page.wait_for_load_state()  # of the style sheet
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert install_fixture.known_rasps == []
    assert install_fixture.config_path.read_text() == UNMANAGED_CONFIG


def test_interrupted_install_is_explained_and_one_click_recovers_it(
    open_page: OpenPage, install_fixture: InstallFixture, outlets: Outlets
) -> None:
    journal = install_fixture.dependencies().journal
    install_id = journal.create(InstallKind.INSTALL, "cut", "alice", install_fixture.config_path)
    journal.record_config_write(install_id, UNMANAGED_CONFIG)
    journal.set_state(install_id, InstallState.INTERRUPTED)
    outlets.switch({install_fixture.rack.outlets[1]: False}, installing=True)
    page = open_page("/install", who="otto")
    expect(page.get_by_text("The controller stopped during this install.")).to_be_visible()
    expect(page.get_by_text("Power that was changed and not restored: 02.")).to_be_visible()
    expect(page.get_by_text("No slots were assigned.")).to_be_visible()
    journal.set_state(install_id, InstallState.INTERRUPTED, "dhcpd.conf: Read-only file system")
    page.reload()
    expect(page.get_by_text("The changes of this install are not undone yet.")).to_be_visible()
    expect(page.get_by_text("dhcpd.conf: Read-only file system")).to_be_visible()
    expect(page.get_by_text("The controller stopped")).to_have_count(0)
    page.get_by_role("button", name="Recover").click()
    expect_state(page, "stopped")
    assert install_fixture.power == [True, True]
    expect(page.get_by_text("not restored")).to_have_count(0)


def test_preview_shows_the_diff_and_changes_nothing(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    install_fixture.inventory.replace(install_fixture.rasps)
    page = open_page("/install", who="otto")
    page.get_by_role("link", name="Preview changes").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    assert install_fixture.config_path.read_text() == UNMANAGED_CONFIG


def test_viewer_cannot_start_an_install(open_page: OpenPage, url: str) -> None:
    page = open_page("/install", who="vera")
    expect(page.get_by_role("main")).to_contain_text("role operator is required")
    expect(page.locator("main form")).to_have_count(0)
    browser_session = BrowserSession(url)
    browser_session.log_in("vera")
    token = browser_session.csrf_token("/account")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        response = browser_session.post(
            path, data={"rack_name": "lab", "rasp": "1", "csrf_token": token}
        )
        assert response.status_code == 403, path


def test_requests_without_csrf_token_are_rejected(
    url: str, install_fixture: InstallFixture
) -> None:
    browser_session = BrowserSession(url)
    browser_session.log_in("otto")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        assert browser_session.post(path, data={"rack_name": "lab"}).status_code == 403
    assert install_fixture.known_rasps == []


def test_invalid_requests_are_rejected(url: str) -> None:
    browser_session = BrowserSession(url)
    browser_session.log_in("otto")
    token = browser_session.csrf_token("/account")
    requests: list[tuple[str, dict[str, str], int]] = [
        ("/install", {"rack_name": "lab", "strategy": "guess"}, 422),
        ("/install/stop", {}, 409),
        ("/replace", {"rasp": "99"}, 404),
        ("/replace", {"rasp": "<script>"}, 404),
        ("/swap", {"rasp": "1", "other_rasp": "3"}, 422),
    ]
    for path, fields, status in requests:
        response = browser_session.post(path, data=fields | {"csrf_token": token})
        assert response.status_code == status, (path, fields)
    assert browser_session.get("/install/7").status_code == 404


def test_swap_exchanges_two_rasps_of_a_stack(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    install_fixture.inventory.replace(install_fixture.rasps)
    previous = {(rasp.stack, rasp.slot): rasp.mac for rasp in install_fixture.known_rasps}
    page = open_page("/rasps/1", who="otto")
    page.get_by_label("Swap slots with").select_option("01-2")
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("heading", name="Swap 1")).to_contain_text("done")
    new = {(rasp.stack, rasp.slot): rasp.mac for rasp in install_fixture.known_rasps}
    assert new[1, 1] == previous[1, 2]
    assert new[1, 2] == previous[1, 1]


def test_replacement_is_confirmed_and_waits_for_the_new_board(
    open_page: OpenPage, install_fixture: InstallFixture
) -> None:
    install_fixture.inventory.replace(install_fixture.rasps)
    page = open_page("/rasps/1", who="otto")
    page.get_by_role("link", name="Replace the board").click()
    expect(page.get_by_role("heading", name="The power of stack 01 is cut")).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    page.get_by_role("button", name="Replace board").click()
    expect(page.get_by_role("heading", name="Replacement 1 running")).to_be_visible()
    stages = page.get_by_role("list", name="Stages")
    expect(stages.locator("[aria-current=step]")).to_contain_text("Wait for the new board")
    install_fixture.clock.advance(REPLACE_TIMEOUT)
    expect(page.get_by_role("heading", name="Replacement 1 failed")).to_be_visible()
    error = page.get_by_role("status").get_by_text("no new board requested an address")
    expect(error).to_be_visible()
