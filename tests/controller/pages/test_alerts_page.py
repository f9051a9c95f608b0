"""The alerts that fire, in a real browser: a real desk, with and without Alertmanager."""

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

HOSTILE = "<script>window.isHacked = true</script>\"'>"
NOT_SUPPRESSED: dict[str, Any] = {"inhibitedBy": [], "silencedBy": []}


@pytest.fixture
def active_alerts() -> list[dict[str, Any]]:
    """What Alertmanager says that fires."""
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
    with fake_alertmanager(200, json.dumps(active_alerts)) as there:
        alerts = FiringAlerts(
            there, received_alerts, lambda alert: "power-cycled" if "Down" in alert.name else ""
        )
        yield AlertService(alerts, WebhookQueue(received_alerts, lambda _: None), ALERTS_SECRET)


def test_what_fires_is_told_the_worst_first_with_where_and_what_to_do(open_page: OpenPage) -> None:
    page = open_page("/alerts")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    first = page.locator(".alerts tbody tr").first
    for said in ("PiRackRaspDown", "critical", "03-2 is down", "docs/runbooks/x.md"):
        expect(first).to_contain_text(said)
    expect(first).to_contain_text("power-cycled")
    expect(page.locator(".alerts tbody tr").last).to_contain_text("silenced by hand")
    first.get_by_role("link", name="03-2").click()
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_whatever_an_alert_says_is_shown_as_it_is(open_page: OpenPage) -> None:
    page = open_page("/alerts", width=360)
    expect(page.locator(".alerts tbody tr").last).to_contain_text(HOSTILE)
    assert page.evaluate("window.isHacked") is None
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(open_page: OpenPage, scheme: str) -> None:
    page = open_page("/alerts", scheme=scheme)
    assert Axe().run(page).response["violations"] == []


class TestWhereNothingFires:
    @pytest.fixture
    def active_alerts(self) -> list[dict[str, Any]]:
        return []

    def test_the_page_says_so(self, open_page: OpenPage) -> None:
        page = open_page("/alerts")
        expect(page.get_by_text("Nothing fires. All is well.")).to_be_visible()


class TestWithoutAlertmanager:
    @pytest.fixture
    def alert_service(self, received_alerts: ReceivedAlerts) -> AlertService:
        with fake_alertmanager(503, "not now") as there:
            return AlertService(
                FiringAlerts(there, received_alerts, lambda _: ""),
                WebhookQueue(received_alerts, lambda _: None),
                ALERTS_SECRET,
            )

    def test_what_it_has_told_last_is_shown_and_that_it_may_be_old(
        self, open_page: OpenPage, received_alerts: ReceivedAlerts
    ) -> None:
        page = open_page("/alerts")
        expect(page.get_by_role("status")).to_contain_text("This may be old.")
        expect(page.get_by_text("All is well")).to_have_count(0)
        receive_alerts(received_alerts, alert_json())
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("03-2 is down")
