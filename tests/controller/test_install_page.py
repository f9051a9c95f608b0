"""Installing from the pages, in a real browser, on a loopback rack of two stacks of two."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect
from prometheus_client import CollectorRegistry

from controller.access import Access
from controller.alerts.desk import AlertDesk
from controller.app import create_app
from controller.decide import decide
from controller.installation.installation import Installation
from controller.master import Master
from controller.orders.orders import Orders
from controller.parts import Parts
from controller.prometheus import Prometheus
from controller.records import Records
from controller.reservations import Reservations
from tests.controller.conftest import Open
from tests.controller.visitor import Visitor, add_users
from tests.dhcp_installer.lab import Lab, a_lab
from virtual_rack.faults import Fault

BY_HAND = "# ours\n"
PATIENCE_MS = 60_000
AXE = Axe()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with a_lab(tmp_path) as lab:
        lab.conf.write_text(BY_HAND)
        yield lab


@pytest.fixture
def access(lab: Lab) -> Access:
    access = Access(lab.database, anonymous="viewer")
    add_users(access)
    return access


@pytest.fixture
def installation(lab: Lab, access: Access) -> Iterator[Installation]:
    installation = Installation(lab.world(relays=lab.relays), Reservations(), access.audit)
    yield installation
    installation.close()


@pytest.fixture
def app(
    lab: Lab,
    tmp_path: Path,
    access: Access,
    orders: Orders,
    installation: Installation,
    desk: AlertDesk,
) -> Flask:
    return create_app(
        Parts(
            state=lambda: decide(lab.rack, lab.inventory.rasps(), []),
            master=Master(tmp_path, []).read,
            registry=CollectorRegistry(),
            access=access,
            orders=orders,
            installation=installation,
            alerts=desk,
            records=Records(lab.rack.name, Prometheus("http://127.0.0.1:1")),
        )
    )


def begin(page: Page, name: str = "lab") -> None:
    page.get_by_label("To begin, type the rack’s name").fill(name)
    page.get_by_role("button", name="Cut all stacks and install").click()


def state(page: Page, word: str) -> None:
    latest = page.get_by_role("region", name="Install 1")
    expect(latest.get_by_role("heading", name="Install 1")).to_contain_text(
        word, timeout=PATIENCE_MS
    )


def test_a_rack_that_was_never_installed_leads_to_the_install(opened: Open) -> None:
    page = opened(who="otto")
    expect(page.get_by_text("No Raspberry Pi is known yet.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="install", exact=True).click()
    expect(page.get_by_text("This rack was never installed")).to_be_visible()
    expect(page.get_by_text("All 2 stacks are cut, several times.")).to_be_visible()


def test_an_install_is_begun_by_the_racks_name_followed_and_told(opened: Open, lab: Lab) -> None:
    page = opened("/install", who="otto")
    begin(page, "another")
    expect(page.get_by_role("alert").last).to_contain_text("type the rack's name: lab")
    assert lab.known == []
    begin(page)
    expect(page.get_by_role("progressbar", name="Rasps found")).to_be_visible()
    state(page, "done")
    expect(page.get_by_role("region", name="Stack 01")).to_contain_text("2 of 2")
    for rasp in lab.rasps:
        expect(page.get_by_role("group", name="Who was found")).to_contain_text(rasp.mac)
    page.get_by_text("What changed in dhcpd.conf").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    expect(page.get_by_role("region", name="Earlier")).to_contain_text("4 of 4")
    assert {rasp.mac for rasp in lab.known} == {rasp.mac for rasp in lab.rasps}
    page.get_by_role("link", name="Rack", exact=True).click()
    expect(page.get_by_text("No Raspberry Pi is known yet.")).to_have_count(0)


def test_who_is_missing_is_told_with_what_to_look_at(opened: Open, lab: Lab) -> None:
    lab.put_on(2, 1, Fault.DEAD)
    page = opened("/install", who="otto")
    begin(page)
    state(page, "done")
    expect(page.get_by_text("Stack 02: 1 missing.")).to_be_visible()
    assert AXE.run(page).response["violations"] == []


def test_an_install_is_stopped(opened: Open, lab: Lab) -> None:
    lab.put_on(1, 1, Fault.DEAD)  # so that it is waited for
    page = opened("/install", who="otto", width=360)
    begin(page)
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert lab.known == []
    assert lab.conf.read_text() == BY_HAND


def test_a_check_shows_what_would_change_and_changes_nothing(opened: Open, lab: Lab) -> None:
    lab.inventory.replace(lab.rasps)
    page = opened("/install", who="otto")
    page.get_by_role("link", name="Check only").click()
    expect(page.locator(".diff .added").first).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    assert lab.conf.read_text() == BY_HAND


def test_a_viewer_sees_what_an_install_is_and_cannot_begin(opened: Open, url: str) -> None:
    page = opened("/install", who="vera")
    expect(page.get_by_text("To begin takes an operator.")).to_be_visible()
    expect(page.locator("main form")).to_have_count(0)
    visitor = Visitor(url)
    visitor.log_in("vera")
    token = visitor.token_of("/account")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        answer = visitor.post(path, data={"name": "lab", "rasp": "1", "csrf_token": token})
        assert answer.status_code == 403, path


def test_nothing_is_begun_without_the_pages_token(url: str, lab: Lab) -> None:
    visitor = Visitor(url)
    visitor.log_in("otto")
    for path in ("/install", "/install/stop", "/replace", "/swap"):
        assert visitor.post(path, data={"name": "lab"}).status_code == 403
    assert lab.known == []


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
    visitor = Visitor(url)
    visitor.log_in("otto")
    answer = visitor.post(path, data=fields | {"csrf_token": visitor.token_of("/account")})
    assert answer.status_code == status
    assert visitor.get("/install/7").status_code == 404


def test_two_rasps_of_a_stack_are_swapped(opened: Open, lab: Lab) -> None:
    lab.inventory.replace(lab.rasps)
    before = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known}
    page = opened("/rasps/1", who="otto")
    page.get_by_label("Swap its slot with").select_option("01-2")
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("heading", name="Swap 1")).to_contain_text("done")
    after = {(rasp.stack, rasp.slot): rasp.mac for rasp in lab.known}
    assert after[1, 1] == before[1, 2]
    assert after[1, 2] == before[1, 1]


def test_a_board_is_replaced_after_one_is_told_what_goes_down(opened: Open, lab: Lab) -> None:
    lab.inventory.replace(lab.rasps)
    page = opened("/rasps/1", who="otto")
    page.get_by_role("link", name="Replace the board").click()
    expect(page.get_by_role("heading", name="The power of stack 01 is cut")).to_be_visible()
    assert AXE.run(page).response["violations"] == []
    page.get_by_role("button", name="Wait for the new board").click()
    expect(page.get_by_role("heading", name="Replacement 1")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0, timeout=PATIENCE_MS)
