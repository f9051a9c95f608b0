"""The alerts that fire, in a real browser: a real desk, with and without Alertmanager."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from controller.alerts.alerts import Alerts
from controller.alerts.desk import AlertDesk
from controller.alerts.told import Told
from controller.alerts.webhook import Webhook
from tests.controller.conftest import Open
from tests.controller.test_alerts import alertmanager, body, take
from tests.controller.world import ALERTS_SECRET

HOSTILE = "<script>window.isHacked = true</script>\"'>"
QUIET: dict[str, Any] = {"inhibitedBy": [], "silencedBy": []}


@pytest.fixture
def asked() -> list[dict[str, Any]]:
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
        body("PiRackRaspDown") | {"status": QUIET},
        body("PiRackHot") | hostile | {"status": silenced},
    ]


@pytest.fixture
def desk(told: Told, asked: list[dict[str, Any]]) -> Iterator[AlertDesk]:
    with alertmanager(200, json.dumps(asked)) as there:
        alerts = Alerts(there, told, lambda alert: "power-cycled" if "Down" in alert.name else "")
        yield AlertDesk(alerts, Webhook(told, lambda _: None), ALERTS_SECRET)


def test_what_fires_is_told_the_worst_first_with_where_and_what_to_do(opened: Open) -> None:
    page = opened("/alerts")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    first = page.locator(".alerts tbody tr").first
    for said in ("PiRackRaspDown", "critical", "03-2 is down", "docs/runbooks/x.md"):
        expect(first).to_contain_text(said)
    expect(first).to_contain_text("power-cycled")
    expect(page.locator(".alerts tbody tr").last).to_contain_text("silenced by hand")
    first.get_by_role("link", name="03-2").click()
    expect(page.get_by_role("heading", name="03-2")).to_be_visible()


def test_whatever_an_alert_says_is_shown_as_it_is(opened: Open) -> None:
    page = opened("/alerts", width=360)
    expect(page.locator(".alerts tbody tr").last).to_contain_text(HOSTILE)
    assert page.evaluate("window.isHacked") is None
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(opened: Open, scheme: str) -> None:
    page = opened("/alerts", scheme=scheme)
    assert Axe().run(page).response["violations"] == []


class TestWhereNothingFires:
    @pytest.fixture
    def asked(self) -> list[dict[str, Any]]:
        return []

    def test_the_page_says_so(self, opened: Open) -> None:
        page = opened("/alerts")
        expect(page.get_by_text("Nothing fires. All is well.")).to_be_visible()


class TestWithoutAlertmanager:
    @pytest.fixture
    def desk(self, told: Told) -> AlertDesk:
        with alertmanager(503, "not now") as there:
            return AlertDesk(
                Alerts(there, told, lambda _: ""), Webhook(told, lambda _: None), ALERTS_SECRET
            )

    def test_what_it_has_told_last_is_shown_and_that_it_may_be_old(
        self, opened: Open, told: Told
    ) -> None:
        page = opened("/alerts")
        expect(page.get_by_role("status")).to_contain_text("This may be old.")
        expect(page.get_by_text("All is well")).to_have_count(0)
        take(told, body())
        page.reload()
        expect(page.get_by_role("main")).to_contain_text("03-2 is down")
