"""Alerts in the API: what Alertmanager tells, who may tell, and what is shown."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from flask.testing import FlaskClient

from controller.alerts import secret
from controller.alerts.alert import Alert
from controller.alerts.alertmanager import Alertmanager
from controller.alerts.firing import AlertList, FiringAlerts
from controller.alerts.notification import Notification
from controller.alerts.received import ReceivedAlerts
from controller.alerts.secret import SecretError
from controller.alerts.webhook import WebhookQueue
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.errors import AlertQueueFullError
from tests.controller.fakes import ALERTS_SECRET
from tests.helpers.waiting import wait_until

UNREACHABLE_ALERTMANAGER = Alertmanager("127.0.0.1:1")


def alert_json(
    name: str = "PiRackRaspDown", status: str = "firing", **fields: Any
) -> dict[str, Any]:
    """An alert in Alertmanager's words, with more in it than the controller wants to know."""
    return {
        "fingerprint": name.lower(),
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "stack": "03", "rasp": "03-2"},
        "annotations": {"summary": "03-2 is down", "runbook_url": "docs/runbooks/x.md"},
        "startsAt": "2026-11-24T20:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://master:9090/graph",
    } | fields


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


def receive_alerts(received: ReceivedAlerts, *alerts: dict[str, Any]) -> None:
    received.update(Notification.model_validate(webhook_message(*alerts)).alerts)


@contextmanager
def fake_alertmanager(status: int, text: str) -> Iterator[Alertmanager]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Alertmanager(f"127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def current_alerts(
    alertmanager: Alertmanager, received: ReceivedAlerts | None = None, *, elapsed: float = 0.0
) -> AlertList:
    """What is shown so many seconds after the start of the controller."""
    now = [1000.0]
    alerts = FiringAlerts(
        alertmanager, received or ReceivedAlerts(), lambda _: "", clock=lambda: now[0]
    )
    now[0] += elapsed
    return alerts.current()


def active_alert(**status: list[str]) -> dict[str, Any]:
    silent: dict[str, list[str]] = {"inhibitedBy": [], "silencedBy": []}
    return {"state": "active", **(silent | status)}


def test_the_worst_alert_is_shown_first_and_what_is_no_fault_not_at_all() -> None:
    def alert(name: str, severity: str, **labels: str) -> dict[str, Any]:
        labels |= {"alertname": name, "severity": severity}
        return alert_json(name, status="", labels=labels) | {"status": active_alert()}

    alerts = [
        alert("Info", "info"),
        alert("Watchdog", "none"),
        alert("Warning", "warning"),
        alert("Foreign", "page"),
        alert("Critical", "critical"),
    ]
    with fake_alertmanager(200, json.dumps(alerts)) as source:
        names = [each.name for each in current_alerts(source).alerts]
    assert names == ["Critical", "Warning", "Info", "Foreign"]


def test_an_alert_that_is_silent_says_why() -> None:
    alerts = [
        alert_json("Silenced") | {"status": active_alert(silencedBy=["a"])},
        alert_json("Explained") | {"status": active_alert(inhibitedBy=["b"])},
    ]
    with fake_alertmanager(200, json.dumps(alerts)) as source:
        firing = {
            each.name: (each.is_silenced, each.is_inhibited)
            for each in current_alerts(source).alerts
        }
    assert firing == {"Silenced": (True, False), "Explained": (False, True)}


def test_without_alertmanager_what_it_has_told_last_is_shown_and_said_to_be_old() -> None:
    told = ReceivedAlerts()
    receive_alerts(told, alert_json("One"), alert_json("Two"))
    receive_alerts(told, alert_json("Two", status="resolved"))
    firing = current_alerts(UNREACHABLE_ALERTMANAGER, told)
    assert [alert.name for alert in firing.alerts] == ["One"]
    assert firing.error == (
        "Alertmanager at http://127.0.0.1:1 cannot be reached: this is what it has told last"
    )


@pytest.mark.parametrize(
    ("status", "text"), [(200, "<html>"), (200, "[{}]"), (200, '{"alerts": []}'), (500, "[]")]
)
def test_what_is_no_answer_of_alertmanager_is_told(status: int, text: str) -> None:
    with fake_alertmanager(status, text) as source:
        assert "this is what it has told last" in current_alerts(source).error


def test_a_watchdog_that_does_not_come_any_more_is_told_after_five_minutes() -> None:
    with fake_alertmanager(200, "[]") as source:
        assert current_alerts(source, elapsed=299).error == ""
        assert current_alerts(source, elapsed=300).error.startswith(
            "Alertmanager has told the controller nothing for 5 minutes"
        )
        told = ReceivedAlerts(clock=lambda: 1200.0)
        receive_alerts(told, alert_json("PiRackWatchdog"))
        assert current_alerts(source, told, elapsed=400).error == ""
        assert current_alerts(source, told, elapsed=501).error != ""


def test_an_alert_that_fires_anew_is_not_ended_by_the_end_of_the_former_time() -> None:
    told = ReceivedAlerts()
    receive_alerts(told, alert_json(startsAt="2026-11-24T21:00:00Z"))
    receive_alerts(told, alert_json(status="resolved"))
    assert len(told.firing()) == 1


def test_a_program_that_looks_gets_each_alert_with_its_words(
    client: FlaskClient, received_alerts: ReceivedAlerts
) -> None:
    receive_alerts(received_alerts, alert_json())
    answer = client.get("/api/v1.0/alerts").json
    assert answer is not None
    [alert] = answer["alerts"]
    assert (alert["name"], alert["summary"], alert["rasp"], alert["severity"]) == (
        "PiRackRaspDown",
        "03-2 is down",
        "03-2",
        "critical",
    )


def post_notification(client: FlaskClient, content: Any, token: str | None = ALERTS_SECRET) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.post("/api/v1.0/alerts", json=content, headers=headers)


def test_what_alertmanager_tells_is_taken_at_once_and_shown(
    client: FlaskClient, received_alerts: ReceivedAlerts
) -> None:
    answer = post_notification(client, webhook_message(alert_json(), alert_json("Other")))
    assert (answer.status_code, answer.json) == (200, {"alerts": 2})
    wait_until(lambda: len(received_alerts.firing()) == 2)


@pytest.mark.parametrize("token", [None, "", "wrong", ALERTS_SECRET + "x", ALERTS_SECRET[:-1]])
def test_nobody_tells_alerts_without_the_secret(
    client: FlaskClient, received_alerts: ReceivedAlerts, access: AccessControl, token: str | None
) -> None:
    answer = post_notification(client, webhook_message(alert_json()), token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert received_alerts.firing() == []
    assert access.audit.list_recent(1)[0].event.result == "refused"


def test_not_even_an_admins_token_opens_it_and_the_secret_opens_nothing_else(
    client: FlaskClient, access: AccessControl
) -> None:
    token = access.tokens.add("boss", Role.ADMIN)
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
def test_what_is_no_message_of_alertmanager_is_refused_for_good(
    client: FlaskClient, content: Any
) -> None:
    assert (
        post_notification(client, content).status_code == 422
    )  # Alertmanager tries 5xx again, not 4xx


def test_a_remedy_that_fails_or_takes_its_time_holds_up_no_message() -> None:
    told, may_end = ReceivedAlerts(), Event()

    def remedy(alerts: object) -> None:
        may_end.wait(10)
        raise RuntimeError("a fault in the remedy")

    webhook = WebhookQueue(told, remedy)
    webhook.start()
    webhook.enqueue(Notification.model_validate(webhook_message(alert_json("One"))))
    webhook.enqueue(Notification.model_validate(webhook_message(alert_json("Two"))))
    may_end.set()
    wait_until(lambda: len(told.firing()) == 2)
    webhook.close()


def test_messages_beyond_a_thousand_are_refused_for_now() -> None:
    webhook = WebhookQueue(ReceivedAlerts(), lambda _: None)  # and it is not started
    one = Notification.model_validate(webhook_message())
    for _ in range(1000):
        webhook.enqueue(one)
    with pytest.raises(AlertQueueFullError):
        webhook.enqueue(one)


def test_remedies_are_asked_for_what_fires_alone() -> None:
    seen: list[Alert] = []
    webhook = WebhookQueue(ReceivedAlerts(), seen.extend)
    webhook.start()
    webhook.enqueue(
        Notification.model_validate(
            webhook_message(alert_json("One"), alert_json("Two", status="resolved"))
        )
    )
    wait_until(lambda: seen)
    webhook.close()
    assert [alert.name for alert in seen] == ["One"]


def test_the_secret_is_made_once_and_for_the_folders_group(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "alerts"
    first = secret.load_or_create(path)
    assert len(first) >= 32
    assert secret.load_or_create(path) == first
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["", "short\n", "with blanks in it, and long enough\n", "ü" * 40])
def test_a_file_that_holds_no_secret_is_refused_with_the_mend(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts"
    path.write_text(text)
    with pytest.raises(SecretError, match=f"--alerts-secret {path}: .*: "):
        secret.load_or_create(path)
