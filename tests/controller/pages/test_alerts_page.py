"""Tests of the alerts page in a browser, with and without Alertmanager."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.service import AlertService
from controller.alerts.webhook import WebhookQueue
from tests.controller.alerts.test_alerts import alert_json, fake_alertmanager, receive_alerts
from tests.controller.conftest import OpenPage
from tests.controller.fakes import ALERTS_SECRET

pytestmark = pytest.mark.process

HOSTILE = "<script>window.isHacked = true</script>\"'>"
NOT_SUPPRESSED: dict[str, Any] = {"inhibitedBy": [], "silencedBy": []}


@pytest.fixture
def active_alerts() -> list[dict[str, Any]]:
    """Active alerts that Alertmanager returns."""
    silenced: dict[str, Any] = {"inhibitedBy": [], "silencedBy": ["by hand"]}
    hostile = {
        "labels": {"alertname": "PiRackHot", "severity": "warning", "stack": "07"},
        "annotations": {
            "summary": HOSTILE,
            "description": HOSTILE * 200,
            "runbook_url": "javascript:window.isHacked = true",
        },
    }
    return [
        alert_json("PiRackRaspDown") | {"status": NOT_SUPPRESSED},
        alert_json("PiRackHot") | hostile | {"status": silenced},
    ]


@pytest.fixture
def alert_service(
    received_alerts: ReceivedAlerts, active_alerts: list[dict[str, Any]]
) -> Iterator[AlertService]:
    with fake_alertmanager(200, json.dumps(active_alerts)) as alertmanager:
        alerts = FiringAlerts(
            alertmanager,
            received_alerts,
            lambda alert: "power-cycled" if "Down" in alert.name else "",
        )
        yield AlertService(alerts, WebhookQueue(received_alerts, lambda _: None), ALERTS_SECRET)


def test_alerts_are_listed_by_severity_with_target_and_runbook(open_page: OpenPage) -> None:
    page = open_page("/alerts")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    first = page.locator(".alerts tbody tr").first
    for text in ("PiRackRaspDown", "critical", "03-2 is down", "docs/runbooks/x.md"):
        expect(first).to_contain_text(text)
    expect(first).to_contain_text("power-cycled")
    expect(page.locator(".alerts tbody tr").last).to_contain_text("Silenced")
    first.get_by_role("link", name="03-2").click()
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_alert_texts_are_escaped(open_page: OpenPage) -> None:
    page = open_page("/alerts", width=360)
    expect(page.locator(".alerts tbody tr").last).to_contain_text(HOSTILE)
    assert page.evaluate("window.isHacked") is None
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_alerts_page_has_no_axe_violations(open_page: OpenPage, scheme: str) -> None:
    page = open_page("/alerts", scheme=scheme)
    assert Axe().run(page).response["violations"] == []


class TestWithoutActiveAlerts:
    @pytest.fixture
    def active_alerts(self) -> list[dict[str, Any]]:
        return []

    def test_page_shows_no_active_alerts(self, open_page: OpenPage) -> None:
        page = open_page("/alerts")
        expect(page.get_by_text("No active alerts.")).to_be_visible()


class TestWithoutAlertmanager:
    @pytest.fixture
    def alert_service(self, received_alerts: ReceivedAlerts) -> AlertService:
        with fake_alertmanager(503, "not now") as alertmanager:
            return AlertService(
                FiringAlerts(alertmanager, received_alerts, lambda _: ""),
                WebhookQueue(received_alerts, lambda _: None),
                ALERTS_SECRET,
            )

    def test_page_shows_received_alerts_and_a_warning(
        self, open_page: OpenPage, received_alerts: ReceivedAlerts
    ) -> None:
        page = open_page("/alerts")
        expect(page.get_by_role("status")).to_contain_text("Alerts may be outdated.")
        expect(page.get_by_text("No active alerts.")).to_have_count(0)
        receive_alerts(received_alerts, alert_json())
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("03-2 is down")
