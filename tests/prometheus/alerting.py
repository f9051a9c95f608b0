"""A virtual rack with real Prometheus and Alertmanager and shortened durations.

The programs and their configuration are those of the demo. The test runs the alert receiver.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.helpers.waiting import (
    TIMEOUT_SECONDS,
    free_network_prefix,
    free_port,
    is_reachable,
    wait_until,
)
from virtual_rack import control
from virtual_rack.demo.config import DemoConfig, RackOptions, write_files
from virtual_rack.demo.credentials import create_credentials
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec, stop_all
from virtual_rack.demo.services import process_specs
from virtual_rack.demo.speed_up import INTERVAL_KEYS, WAIT_KEYS, shorten_durations

ROOT = Path(__file__).parents[2]
SPEED_FACTOR = 5
SEED = 1
"""With this seed, 07-4 is busy when its fault is injected, and all others stay below 75 °C."""

_REMEDIATION_SETTING = "power_cycle_dead_stack = "


@dataclass(frozen=True)
class AlertNotification:
    """One notification from Alertmanager to the operators."""

    group: Mapping[str, str]
    alert_names: tuple[str, ...]

    @property
    def stack(self) -> str:
        return self.group.get("stack", "")


class AlertReceiver:
    """An HTTP server that stores the notifications for the receiver `operators`."""

    def __init__(self) -> None:
        self.notifications: list[AlertNotification] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver.receive(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def receive(self, payload: Any) -> None:
        firing = [alert for alert in payload["alerts"] if alert["status"] == "firing"]
        names = sorted({alert["labels"]["alertname"] for alert in firing})
        # Ignore alerts about the master, which depend on the machine that runs the tests.
        if names and not all(name.startswith("PiRackMaster") for name in names):
            self.notifications.append(AlertNotification(payload["groupLabels"], tuple(names)))

    def alerts_of(self, stack: str) -> set[str]:
        """Return the names of all received alerts of a stack."""
        return {
            name
            for notification in self.notifications
            if notification.stack == stack
            for name in notification.alert_names
        }

    @property
    def notification_counts(self) -> Counter[str]:
        """The number of notifications for each stack."""
        return Counter(notification.stack for notification in self.notifications)


class AlertingRack:
    """A running virtual rack with its monitoring services."""

    def __init__(self, folder: Path) -> None:
        self.receiver = AlertReceiver()
        layout = folder / "rack.toml"
        text = (ROOT / "rack.toml").read_text()
        layout.write_text(
            text.replace(f"{_REMEDIATION_SETTING}false", f"{_REMEDIATION_SETTING}true")
        )
        ports = (free_port() for _ in range(5))
        options = RackOptions(layout, boot_seconds=1.0)
        self.config = DemoConfig(options, folder / "state", free_network_prefix(), 9849, *ports)
        write_files(self.config)
        self._shorten_durations()
        self.token = ""
        self._running: dict[str, ManagedProcess] = {}

    def _shorten_durations(self) -> None:
        """Write the configuration with shortened durations and the receiver of the test."""
        folder = self.config.state / "prometheus"
        receiver = (
            "  - name: operators\n    webhook_configs:\n"
            f"      - url: http://127.0.0.1:{self.receiver.server.server_port}\n"
        )
        for source in [*ROOT.glob("prometheus/*.yml"), *ROOT.glob("prometheus/rules/*.yml")]:
            text = shorten_durations(source.read_text(), SPEED_FACTOR, WAIT_KEYS + INTERVAL_KEYS)
            text = text.replace("  - name: operators\n", receiver)
            text = text.replace("http://127.0.0.1:8080/", f"{self.config.controller_url}/")
            (folder / source.relative_to(ROOT / "prometheus")).write_text(text)

    def start(self) -> None:
        for spec in process_specs(self.config):
            seed = ["--seed", str(SEED)] if spec.name == "virtual rack" else []
            self._start(replace(spec, argv=[*spec.argv, *seed]))
        for process in self._running.values():
            wait_until(lambda url=process.spec.ready_url: is_reachable(url))  # type: ignore[misc]
        self.token = create_credentials(self.config.database).token
        wait_until(lambda: self.get("rack")["states"]["up"] == 48)

    def _start(self, spec: ProcessSpec) -> None:
        self._running[spec.name] = ManagedProcess(spec)

    def reset_monitoring(self) -> None:
        """Restart Prometheus and Alertmanager with empty databases."""
        for name in ("Prometheus", "Alertmanager"):
            process = self._running[name]
            process.stop()
            data_folder = f"{self.config.state}/{name}-{time.monotonic_ns()}"
            argv = [
                f"{option}={data_folder}" if option.endswith("path") else argument
                for argument in process.spec.argv
                for option in [argument.partition("=")[0]]
            ]
            self._start(replace(process.spec, argv=argv))
        self.receiver.notifications.clear()
        wait_until(lambda: is_reachable(self._running["Prometheus"].spec.ready_url))

    def inject_fault(self, targets: str, fault: str) -> None:
        request = {"command": "fault", "targets": targets.split(), "fault": fault}
        reply = control.send(self.config.state, request)
        assert "error" not in reply, reply

    def clear_fault(self, targets: str) -> None:
        request = {"command": "heal", "targets": targets.split(), "fault": None}
        control.send(self.config.state, request)

    def drop_relay(self, pin: int) -> None:
        """Cut the power of a stack without an order. The contacts are normally closed."""
        request = {"command": "set_pin", "pin": pin, "output": True, "high": True}
        control.send(self.config.state, request)

    def stack_power(self, stack: str) -> str:
        status = control.send(self.config.state, {"command": "status"})
        power: str = status["stacks"][stack]["power"]
        return power

    def get(self, path: str) -> Any:
        """Return a response to the operator token."""
        response = requests.get(
            f"{self.config.controller_url}/api/v1.0/{path}",
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        return response.json()

    def submit_order(self, stack: int, action: str) -> None:
        """Submit an order for a stack, and wait until the order is done."""
        response = requests.post(
            f"{self.config.controller_url}/api/v1.0/stacks/execute",
            json={"id": stack, "action": action, "force": action != "power_on"},
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )
        assert response.status_code == 202, response.text
        wait_until(lambda: self.get(f"orders/{response.json()['id']}")["state"] == "done")

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def firing_alerts(self) -> set[tuple[str, str]]:
        """Return the name and the stack of each alert that fires in Prometheus."""
        alerts = requests.get(
            f"http://127.0.0.1:{self.config.prometheus_port}/api/v1/alerts", timeout=TIMEOUT_SECONDS
        ).json()["data"]["alerts"]
        return {
            (alert["labels"]["alertname"], alert["labels"].get("stack", ""))
            for alert in alerts
            if alert["state"] == "firing"
        }

    def close(self) -> None:
        stop_all(list(self._running.values()))
        self.receiver.server.shutdown()
        self.receiver.server.server_close()


@contextmanager
def running_alerting_rack(folder: Path) -> Iterator[AlertingRack]:
    """Yield a rack with all rasps up. Stop all its processes at the end of the block."""
    rack = AlertingRack(folder)
    try:
        rack.start()
        yield rack
    finally:
        rack.close()
