"""Alerts: the API, the webhook and its secret."""

from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask.testing import FlaskClient

from controller.alerts import secret
from controller.alerts.alert import WebhookAlert
from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import FiringAlerts
from controller.alerts.received import ReceivedAlerts
from controller.alerts.schemas import Notification
from controller.alerts.secret import SecretError
from controller.alerts.webhook import WebhookQueue
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.errors import AlertQueueFullError
from controller.state.alert import Alert
from controller.state.issues import AlertList
from tests.controller.fake_alertmanager import (
    AlertJson,
    active_alert,
    alert_json,
    alertmanager_with,
    fake_alertmanager,
    suppressed_by,
)
from tests.controller.fakes import ALERTS_SECRET, RACK, FakeRackState
from tests.helpers.fake_clock import FakeClock
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

UNREACHABLE_ALERTMANAGER = Alertmanager("127.0.0.1:1", {})


def webhook_message(*alerts: dict[str, Any], version: str = "4") -> dict[str, Any]:
    return {
        "version": version,
        "groupKey": '{}:{rack="pirack"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "controller",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://master:9093",
        "alerts": list(alerts),
    }


def webhook_alerts(*alerts: dict[str, Any]) -> list[WebhookAlert]:
    return Notification.model_validate(webhook_message(*alerts)).alerts


def receive_alerts(received: ReceivedAlerts, *alerts: dict[str, Any]) -> None:
    received.update(webhook_alerts(*alerts))


PROMETHEUS_ERROR = "Prometheus at http://127.0.0.1:9090 cannot be reached"


def current_alerts(
    alertmanager: Alertmanager, received: ReceivedAlerts | None = None, prometheus_error: str = ""
) -> AlertList:
    rack_state = FakeRackState(RACK)
    rack_state.error = prometheus_error
    received = received or ReceivedAlerts()
    return FiringAlerts(alertmanager, received, lambda _: "", RACK, rack_state.read).current()


def test_problem_alerts_are_sorted_by_severity() -> None:
    alerts = [
        active_alert("Info", severity="info"),
        active_alert("Warning", severity="warning"),
        active_alert("Foreign", severity="page"),
        active_alert("Critical", severity="critical"),
    ]
    with alertmanager_with(alerts) as source:
        names = [alert.name for alert in current_alerts(source).alerts]
    assert names == ["Critical", "Warning", "Info", "Foreign"]


def test_list_is_limited_in_size_and_counts_further_alerts() -> None:
    alerts = [
        active_alert(f"Alert{i}", severity=severity, summary="x" * 1000)
        for i, severity in enumerate(["info"] * 300 + ["critical"])
    ]
    with alertmanager_with(alerts) as source:
        listed = current_alerts(source)
    assert listed.alerts[0].severity == "critical"
    assert 150 < len(listed.alerts) < 200
    assert f"{301 - len(listed.alerts)} further alerts are not listed" in listed.error


def test_alert_is_marked_as_silenced_or_inhibited() -> None:
    alerts = [
        alert_json("Silenced") | {"status": suppressed_by(silencedBy=["a"])},
        alert_json("Inhibited") | {"status": suppressed_by(inhibitedBy=["b"])},
    ]
    with alertmanager_with(alerts) as source:
        firing = {
            alert.name: (alert.is_silenced, alert.is_inhibited)
            for alert in current_alerts(source).alerts
        }
    assert firing == {"Silenced": (True, False), "Inhibited": (False, True)}


def test_received_alerts_are_listed_if_alertmanager_is_unavailable() -> None:
    received = ReceivedAlerts()
    receive_alerts(received, alert_json("One"), alert_json("Two"))
    receive_alerts(received, alert_json("Two", status="resolved"))
    firing = current_alerts(UNREACHABLE_ALERTMANAGER, received)
    assert [alert.name for alert in firing.alerts] == ["One"]
    assert firing.error == (
        "Alertmanager at http://127.0.0.1:1 cannot be reached: the list may be outdated"
    )


@pytest.mark.parametrize(
    ("status", "text"), [(200, "<html>"), (200, "[{}]"), (200, '{"alerts": []}'), (500, "[]")]
)
def test_invalid_alertmanager_response_is_reported(status: int, text: str) -> None:
    with fake_alertmanager(status, text) as source:
        assert "the list may be outdated" in current_alerts(source).error


def test_issues_are_unknown_while_prometheus_or_alertmanager_is_unavailable() -> None:
    with alertmanager_with([]) as available:
        assert current_alerts(available).issue_count == "no issues"
        without_prometheus = current_alerts(available, prometheus_error=PROMETHEUS_ERROR)
    without_alertmanager = current_alerts(UNREACHABLE_ALERTMANAGER)
    without_both = current_alerts(UNREACHABLE_ALERTMANAGER, prometheus_error=PROMETHEUS_ERROR)
    assert without_prometheus.error == PROMETHEUS_ERROR
    assert without_both.error == f"{PROMETHEUS_ERROR}; {without_alertmanager.error}"
    for alert_list in (without_prometheus, without_alertmanager, without_both):
        assert alert_list.issue_count == "issues unknown"
        assert alert_list.needs_attention


def test_issues_of_alertmanager_are_counted_while_prometheus_is_unavailable() -> None:
    with alertmanager_with([active_alert("PiRackRaspDown")]) as source:
        alert_list = current_alerts(source, prometheus_error=PROMETHEUS_ERROR)
    assert (alert_list.issue_count, alert_list.error) == ("1 issue", PROMETHEUS_ERROR)


def test_issues_are_unknown_if_alertmanager_lost_the_alerts_of_prometheus() -> None:
    with fake_alertmanager(200, "[]") as source:
        alert_list = current_alerts(source)
    assert alert_list.issue_count == "issues unknown"
    assert alert_list.error == (
        "Alertmanager does not have the watchdog alert of Prometheus: see /runbooks/PiRackWatchdog"
    )


def test_watchdog_that_is_not_sent_is_reported_after_five_minutes() -> None:
    clock, wall_clock = FakeClock(1000.0), FakeClock(0.0)
    received = ReceivedAlerts(clock=wall_clock, monotonic_clock=clock)
    with alertmanager_with([]) as source:
        clock.now += 299
        assert current_alerts(source, received).error == ""
        clock.now += 1
        assert current_alerts(source, received).error.startswith(
            "Alertmanager has not sent the watchdog alert for 5 minutes"
        )
        receive_alerts(received, alert_json("PiRackWatchdog"))
        wall_clock.now += 1_800_000_000  # a time server sets the clock of the master
        assert current_alerts(source, received).error == ""
        clock.now += 301
        assert current_alerts(source, received).error != ""


def test_late_resolution_does_not_remove_newer_occurrence() -> None:
    received = ReceivedAlerts()
    receive_alerts(received, alert_json(startsAt="2026-11-24T21:00:00Z"))
    receive_alerts(received, alert_json(status="resolved"))
    assert len(received.firing()) == 1


def test_api_lists_alert_with_summary_and_labels(
    client: FlaskClient, active_alerts: list[AlertJson]
) -> None:
    active_alerts.append(
        active_alert("PiRackRaspDown", summary="03-2 is down", stack="03", rasp="03-2")
    )
    content = client.get("/api/v1.0/alerts").json
    assert content is not None
    [alert] = content["alerts"]
    assert (alert["name"], alert["summary"], alert["rasp"], alert["severity"]) == (
        "PiRackRaspDown",
        "03-2 is down",
        "03-2",
        "critical",
    )


def post_notification(client: FlaskClient, content: Any, token: str | None = ALERTS_SECRET) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.post("/api/v1.0/alerts", json=content, headers=headers)


def test_webhook_accepts_notification(client: FlaskClient, received_alerts: ReceivedAlerts) -> None:
    response = post_notification(client, webhook_message(alert_json(), alert_json("Other")))
    assert (response.status_code, response.json) == (200, {"alerts": 2})
    wait_until(lambda: len(received_alerts.firing()) == 2)


@pytest.mark.parametrize("token", [None, "", "wrong", ALERTS_SECRET + "x", ALERTS_SECRET[:-1]])
def test_webhook_rejects_missing_or_wrong_secret(
    client: FlaskClient, received_alerts: ReceivedAlerts, access: AccessControl, token: str | None
) -> None:
    response = post_notification(client, webhook_message(alert_json()), token)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert received_alerts.firing() == []
    assert access.audit.list_recent(1)[0].event.result == "refused"


def test_webhook_rejects_api_token_and_api_rejects_webhook_secret(
    client: FlaskClient, access: AccessControl
) -> None:
    token = access.tokens.add("script", Role.ADMIN)
    assert post_notification(client, webhook_message(alert_json()), token).status_code == 401
    headers = {"Authorization": f"Bearer {ALERTS_SECRET}"}
    assert client.get("/api/v1.0/alerts", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        webhook_message(alert_json(), version="3"),
        webhook_message(alert_json(status="perhaps")),
        webhook_message(alert_json(startsAt="yesterday")),
        webhook_message(alert_json(labels={"alertname": 3})),
    ],
)
def test_webhook_rejects_invalid_notification_permanently(
    client: FlaskClient, content: Any
) -> None:
    # Alertmanager retries after 5xx, not after 4xx.
    assert post_notification(client, content).status_code == 422


def test_slow_or_failing_remediation_does_not_block_notifications() -> None:
    received, may_finish = ReceivedAlerts(), Event()

    def remediate(alerts: object) -> None:
        may_finish.wait(TIMEOUT_SECONDS)
        raise RuntimeError("remediation failed")

    webhook = WebhookQueue(received, remediate)
    webhook.start()
    webhook.enqueue(webhook_alerts(alert_json("One")))
    webhook.enqueue(webhook_alerts(alert_json("Two")))
    may_finish.set()
    wait_until(lambda: len(received.firing()) == 2)
    webhook.close()


def test_enqueue_rejects_notification_if_queue_is_full() -> None:
    webhook = WebhookQueue(ReceivedAlerts(), lambda _: None)  # not started
    for _ in range(1000):
        webhook.enqueue([])
    with pytest.raises(AlertQueueFullError):
        webhook.enqueue([])


def test_only_firing_alerts_are_remediated() -> None:
    remediated: list[Alert] = []
    webhook = WebhookQueue(ReceivedAlerts(), remediated.extend)
    webhook.start()
    webhook.enqueue(webhook_alerts(alert_json("One"), alert_json("Two", status="resolved")))
    wait_until(lambda: remediated)
    webhook.close()
    assert [alert.name for alert in remediated] == ["One"]


def test_secret_is_created_once_and_is_readable_for_group(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "alerts"
    first = secret.load_or_create(path)
    assert len(first) >= 32
    assert secret.load_or_create(path) == first
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["", "short\n", "with spaces in it, and long enough\n", "ü" * 40])
def test_invalid_secret_file_is_rejected_with_fix(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts"
    path.write_text(text)
    with pytest.raises(SecretError, match=f"--alerts-secret {path}: .*: "):
        secret.load_or_create(path)
