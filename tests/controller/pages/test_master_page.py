"""Tests of the master page in a browser: the findings of the doctor."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from controller.doctor.finding import Finding, FindingSeverity
from tests.controller.conftest import OpenPage
from tests.controller.fakes import FakeRackState

pytestmark = pytest.mark.process

HOSTILE = "<script>window.isHacked = true</script>"
FINDINGS = [
    Finding(
        "dhcp_interface",
        FindingSeverity.ERROR,
        f"dhcpd serves wlan0{HOSTILE}",
        "rasps get no address, and installs fail",
        'set INTERFACESv4="eth0" in /etc/default/isc-dhcp-server, then run `sudo systemctl restart'
        " isc-dhcp-server`",
    ),
    Finding("backup", FindingSeverity.NOT_CHECKED, "no log", "it is unknown", "run it again"),
]


def test_findings_appear_with_reason_and_command(
    open_page: OpenPage, rack_state: FakeRackState
) -> None:
    rack_state.findings += FINDINGS
    page = open_page("/master")
    row = page.get_by_role("row", name="dhcp interface")
    expect(row).to_contain_text("rasps get no address, and installs fail")  # without a reload
    expect(row.locator("code")).to_have_text("sudo systemctl restart isc-dhcp-server")
    expect(row.get_by_text("error", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="backup").get_by_text("not checked")).to_be_visible()
    assert page.evaluate("window.isHacked") is None


def test_page_without_findings_says_so(open_page: OpenPage) -> None:
    page = open_page("/master")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    expect(page.get_by_text("1 checks at")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_findings_are_accessible_and_fit_on_a_phone(
    open_page: OpenPage, rack_state: FakeRackState, scheme: str
) -> None:
    rack_state.findings += FINDINGS
    page = open_page("/master", width=360, scheme=scheme)
    expect(page.get_by_role("row", name="dhcp interface")).to_be_visible()
    violations = Axe().run(page).response["violations"]
    assert violations == [], violations
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
