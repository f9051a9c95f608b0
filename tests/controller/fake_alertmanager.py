"""An HTTP server that responds as Alertmanager does, and alerts in its format."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from controller.alerts.alertmanager import Alertmanager

AlertJson = dict[str, Any]


def alert_json(name: str = "PiRackRaspDown", status: str = "firing", **fields: Any) -> AlertJson:
    """Return an alert in Alertmanager's format, with fields that the controller ignores."""
    return {
        "fingerprint": name.lower(),
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "stack": "03", "rasp": "03-2"},
        "annotations": {
            "summary": "03-2 is down",
            "runbook_url": "http://127.0.0.1:8080/runbooks/PiRackRaspDown",
        },
        "startsAt": "2026-11-24T20:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://master:9090/graph",
    } | fields


def suppressed_by(**alerts_or_silences: list[str]) -> AlertJson:
    """Return the status of an alert in Alertmanager's API."""
    return {"state": "active", "inhibitedBy": [], "silencedBy": [], **alerts_or_silences}


def active_alert(name: str, *, summary: str = "", **labels: str) -> AlertJson:
    """Return an alert of Alertmanager's API that is neither inhibited nor silenced."""
    labels = {"alertname": name, "severity": "critical", **labels}
    return alert_json(
        name,
        fingerprint=" ".join(labels.values()),
        labels=labels,
        annotations={"summary": summary or f"summary of {name}", "description": f"What {name} is"},
    ) | {"status": suppressed_by()}


@contextmanager
def fake_alertmanager(status: int, text: str) -> Iterator[Alertmanager]:
    """Return a client of a server that always sends the same response."""
    with _server(lambda: (status, text)) as alertmanager:
        yield alertmanager


@contextmanager
def alertmanager_with(alerts: Sequence[AlertJson]) -> Iterator[Alertmanager]:
    """Return a client of a server that sends the watchdog alert and those of the sequence then."""
    watchdog = active_alert("PiRackWatchdog", severity="none")
    with _server(lambda: (200, json.dumps([watchdog, *alerts]))) as alertmanager:
        yield alertmanager


@contextmanager
def _server(respond: Callable[[], tuple[int, str]]) -> Iterator[Alertmanager]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = respond()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Alertmanager(f"127.0.0.1:{server.server_port}", {})
        server.shutdown()
        thread.join()
