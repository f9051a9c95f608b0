"""Tests of the pages of alerts and runbooks in a browser, with and without Alertmanager."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.service import AlertService
from controller.alerts.webhook import WebhookQueue
from controller.auth.access_control import AccessControl
from controller.pages.runbooks import render, runbook_names
from rack.settings import Anonymous
from tests.controller.alerts.test_alerts import receive_alerts
from tests.controller.conftest import OpenPage
from tests.controller.fake_alertmanager import (
    AlertJson,
    active_alert,
    alert_json,
    fake_alertmanager,
    suppressed_by,
)
from tests.controller.fakes import ALERTS_SECRET, RACK, FakeRackState, alert_service_for
from tests.controller.http_client import add_users
from tests.controller.pages.test_accessibility import violations

pytestmark = pytest.mark.process

HOSTILE = "<script>window.isHacked = true</script>\"'>"
STACK_DOWN = active_alert("PiRackStackDown", summary="Stack 09 is down", rack="pirack", stack="09")


def rasps_down() -> list[AlertJson]:
    """Return the alerts of the rasps of stack 9, which the alert of the stack inhibits."""
    return [
        active_alert(
            "PiRackRaspDown", summary=f"{rasp} is down", rack="pirack", stack="09", rasp=rasp
        )
        | {"status": suppressed_by(inhibitedBy=[STACK_DOWN["fingerprint"]])}
        for rasp in ("09-1", "09-2", "09-3", "09-4")
    ]


@pytest.fixture
def active_alerts(active_alerts: list[AlertJson]) -> list[AlertJson]:
    """A stack that is down, and a silenced alert with hostile texts."""
    hostile = {
        "labels": {"alertname": "PiRackHot", "severity": "warning", "stack": "07"},
        "annotations": {
            "summary": HOSTILE,
            "description": HOSTILE * 200,
            "runbook_url": "javascript:window.isHacked = true",
        },
    }
    silenced = {"status": suppressed_by(silencedBy=["by hand"])}
    active_alerts += [*rasps_down(), STACK_DOWN, alert_json("PiRackHot") | hostile | silenced]
    return active_alerts


@pytest.fixture
def alert_service(
    received_alerts: ReceivedAlerts,
    alertmanager: Alertmanager,
    active_alerts: list[AlertJson],
    rack_state: FakeRackState,
) -> AlertService:
    firing = FiringAlerts(
        alertmanager,
        received_alerts,
        lambda alert: "power-cycled" if "Stack" in alert.name else "",
        RACK,
        rack_state.read,
    )
    return AlertService(firing, WebhookQueue(received_alerts, lambda _: None), ALERTS_SECRET)


@pytest.fixture
def operator(access: AccessControl) -> str:
    add_users(access)
    return "otto"


def issue(page: Page) -> str:
    """Return the text of the only issue."""
    return page.locator(".issue").inner_text()


@pytest.mark.parametrize("path", ["/", "/alerts"])
def test_issue_shows_its_cause_with_what_it_explains_folded_beneath(
    open_page: OpenPage, path: str
) -> None:
    page = open_page(path)
    expect(page.locator(".issue")).to_have_count(1)
    for text in ("Stack 09 is down", "critical", "since", "What PiRackStackDown is"):
        assert text in issue(page)
    assert "Remediation: power-cycled" in issue(page)
    assert "09-3 is down" not in issue(page)
    page.get_by_text("Explains 4 alerts").click()
    assert "09-3 is down" in issue(page)
    page.get_by_role("link", name="Stack 09 is down").click()
    expect(page.get_by_role("heading", name="Stack 09")).to_be_visible()


def test_every_page_shows_the_number_of_issues_in_navigation_title_and_icon(
    open_page: OpenPage, url: str, active_alerts: list[AlertJson]
) -> None:
    page = open_page("/stacks/3")
    expect(page).to_have_title("1 issue – Stack 03 – pirack – PiRack")
    badge = page.get_by_role("navigation", name="Main").get_by_role("link", name="Alerts")
    expect(badge).to_have_text("Alerts1 (1 issue)")
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", "/static/icon-alert.svg")
    active_alerts.clear()
    expect(page).to_have_title("Stack 03 – pirack – PiRack")
    expect(badge).to_have_text("Alerts")
    expect(icon).to_have_attribute("href", "/static/icon.svg")


def test_rack_page_counts_rasps_and_issues(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.get_by_label("Rasps by state")).to_have_text("48 of 48 up 1 issue")


def test_operator_goes_from_an_issue_to_the_confirmation_of_its_order(
    open_page: OpenPage, operator: str
) -> None:
    page = open_page(who=operator)
    page.get_by_role("link", name="Power cycle stack 09").click()
    expect(page.get_by_role("heading", name="Power cycle?")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("09-4")


def test_viewer_is_offered_no_order(open_page: OpenPage) -> None:
    page = open_page("/alerts")
    expect(page.locator(".issue")).to_have_count(1)
    expect(page.get_by_role("link", name="Power cycle")).to_have_count(0)


def test_silenced_alert_is_no_issue_and_its_texts_are_escaped(open_page: OpenPage) -> None:
    page = open_page("/alerts", width=360)
    row = page.locator(".alerts tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Silenced")
    expect(row).to_contain_text(HOSTILE)
    assert page.evaluate("window.isHacked") is None
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.verify), "dark"])
def test_pages_of_issues_have_no_axe_violations_and_fit_a_phone(
    open_page: OpenPage, url: str, operator: str, scheme: str
) -> None:
    page = open_page(scheme=scheme, who=operator)
    phone = open_page(scheme=scheme, width=360, who=operator)
    for path in ("/", "/alerts", "/runbooks/PiRackStackDown"):
        page.goto(url + path)
        assert violations(page) == [], path
        phone.goto(url + path)
        assert violations(phone) == [], path
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_runbook_of_an_issue_is_a_page_that_links_to_other_runbooks(open_page: OpenPage) -> None:
    page = open_page("/alerts")
    page.get_by_role("link", name="Runbook of PiRackStackDown").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PiRackStackDown")
    expect(page.get_by_role("heading", name="Mitigation")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("wiring.md (docs/how-to/wiring.md)")
    page.goto(page.url.replace("PiRackStackDown", "PiRackRaspDown"))
    page.get_by_role("link", name="PiRackStackDown").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PiRackStackDown")


def test_every_runbook_is_served(client: FlaskClient) -> None:
    for name in runbook_names():
        page = client.get(f"/runbooks/{name}").text
        assert f"<h1>{name}</h1>" in page
        assert "<h2>Mitigation</h2>" in page
        assert '.md"' not in page  # no link leads to a file that is not served


@pytest.mark.parametrize("name", ["PiRackNoAlert", "..%2fREADME", "PiRackStackDown.md", ""])
def test_runbook_that_does_not_exist_is_not_found(client: FlaskClient, name: str) -> None:
    response = client.get(f"/runbooks/{name}")
    assert response.status_code == 404
    assert "Go to the rack" in response.text


def test_html_in_a_runbook_is_escaped() -> None:
    text = "# T\n\n<script>x</script> and [y](javascript:x) and [z](Other.md)\n"
    assert render(text, ["Other"]) == (
        "<h1>T</h1>\n<p>&lt;script&gt;x&lt;/script&gt; and [y](javascript:x)"
        ' and <a href="Other">z</a></p>\n'
    )


class TestIssuesWithoutAnonymousAccess:
    @pytest.fixture
    def anonymous(self) -> Anonymous:
        return "none"

    def test_login_page_does_not_show_the_number_of_issues(self, client: FlaskClient) -> None:
        page = client.get("/login").text
        assert "issue" not in page
        assert "icon-alert" not in page
        assert client.get("/runbooks/PiRackStackDown").status_code == 302


class TestWithoutActiveAlerts:
    @pytest.fixture
    def active_alerts(self) -> list[AlertJson]:
        return []

    def test_pages_show_that_there_are_no_issues(self, open_page: OpenPage, url: str) -> None:
        page = open_page("/alerts")
        expect(page.get_by_text("No active alerts.")).to_be_visible()
        page.goto(url)
        expect(page.get_by_text("No issues.")).to_be_visible()
        expect(page).to_have_title("pirack – PiRack")

    def test_every_place_shows_that_issues_are_unknown_while_prometheus_is_unavailable(
        self, open_page: OpenPage, url: str, rack_state: FakeRackState
    ) -> None:
        rack_state.error = "Prometheus at http://127.0.0.1:9090 cannot be reached"
        page = open_page("/master")
        expect(page).to_have_title("Issues unknown – Master – PiRack")
        badge = page.get_by_role("navigation", name="Main").get_by_role("link", name="Alerts")
        expect(badge).to_have_text("Alerts? (issues unknown)")
        page.goto(url + "/alerts")
        expect(page.get_by_role("status")).to_contain_text(rack_state.error)
        expect(page.get_by_text("Issues unknown.")).to_be_visible()
        for path in ("/", "/?kiosk=1"):
            page.goto(url + path)
            expect(page.get_by_label("Rasps by state")).to_contain_text("issues unknown")
            expect(page.get_by_text("No issues", exact=False)).to_have_count(0)

    def test_error_page_of_a_broken_database_shows_that_issues_are_unknown(
        self, client: FlaskClient, rack_state: FakeRackState
    ) -> None:
        rack_state.is_database_broken = True
        response = client.get("/")
        assert response.status_code == 503
        assert "issues unknown" in response.text


class TestWithoutAlertmanager:
    @pytest.fixture
    def alert_service(
        self, received_alerts: ReceivedAlerts, rack_state: FakeRackState
    ) -> Iterator[AlertService]:
        with fake_alertmanager(503, "not now") as alertmanager:
            yield alert_service_for(received_alerts, rack_state.read, alertmanager)

    def test_pages_show_received_alerts_and_a_warning_and_never_no_issues(
        self, open_page: OpenPage, url: str, received_alerts: ReceivedAlerts
    ) -> None:
        page = open_page("/alerts")
        expect(page.get_by_role("status")).to_contain_text("Alerts may be outdated.")
        expect(page.get_by_text("No active alerts.")).to_have_count(0)
        page.goto(url)
        expect(page).to_have_title("Issues unknown – pirack – PiRack")
        expect(page.get_by_label("Rasps by state")).to_contain_text("issues unknown")
        expect(page.get_by_role("main")).to_contain_text("Issues may be outdated.")
        expect(page.get_by_text("No issues", exact=False)).to_have_count(0)
        receive_alerts(received_alerts, alert_json())
        expect(page.get_by_label("Rasps by state")).to_contain_text("1 issue")
        expect(page.locator(".issue")).to_contain_text("03-2 is down")
        expect(page.get_by_role("main")).to_contain_text("Issues may be outdated.")
