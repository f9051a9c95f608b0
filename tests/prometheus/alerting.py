"""A whole virtual rack with its real Prometheus and Alertmanager, in which time runs faster.

The programs and their configuration are the demo's. Whoever is to be told is a server in the test.
"""

import json
import os
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

from tests.helpers.waiting import free_port, wait_until
from virtual_rack import control
from virtual_rack.demo import config
from virtual_rack.demo.credentials import create_credentials
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec, stop_all
from virtual_rack.demo.speed_up import INTERVAL_KEYS, WAIT_KEYS, shorten_durations

ROOT = Path(__file__).parents[2]
SPEED_FACTOR = 5
SEED = 1
"""By which 07-4 is busy when it is made hot, and no other rasp comes near 75 °C."""

_REMEDIATION_SETTING = "power_cycle_dead_stack = "


@dataclass(frozen=True)
class AlertNotification:
    """What Alertmanager told people once."""

    group: Mapping[str, str]
    alert_names: tuple[str, ...]

    @property
    def stack(self) -> str:
        return self.group.get("stack", "")


class AlertReceiver:
    """Whoever is to be told of alerts: keeps what comes."""

    def __init__(self) -> None:
        self.notifications: list[AlertNotification] = []
        people = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                people.receive(told)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, payload: Any) -> None:
        firing = [each for each in payload["alerts"] if each["status"] == "firing"]
        names = sorted({each["labels"]["alertname"] for each in firing})
        # The machine that runs the tests may itself be short of something.
        if names and not all(name.startswith("PiRackMaster") for name in names):
            self.notifications.append(AlertNotification(payload["groupLabels"], tuple(names)))

    def alerts_of(self, stack: str) -> set[str]:
        """Return the alerts that were told of a stack."""
        return {
            name for each in self.notifications if each.stack == stack for name in each.alert_names
        }

    @property
    def notification_counts(self) -> Counter[str]:
        """How many messages there were of each stack."""
        return Counter(each.stack for each in self.notifications)


class AlertingRack:
    """A virtual rack that runs, with all that watches it."""

    def __init__(self, folder: Path) -> None:
        self.receiver = AlertReceiver()
        layout = folder / "rack.toml"
        text = (ROOT / "rack.toml").read_text()
        layout.write_text(
            text.replace(f"{_REMEDIATION_SETTING}false", f"{_REMEDIATION_SETTING}true")
        )
        ports = (free_port() for _ in range(5))
        network = f"127.{24 + (os.getpid() + 97) % 199}"
        self.plan = config.DemoConfig(layout, folder / "state", network, 9849, *ports)
        config.write_files(self.plan)
        self._shorten_durations()
        self.token = ""
        self._running: dict[str, ManagedProcess] = {}

    def _shorten_durations(self) -> None:
        """Lay the real files out anew, at the pace of the test, and let the test be told."""
        folder = self.plan.state / "prometheus"
        receiver = (
            "  - name: people\n    webhook_configs:\n"
            f"      - url: http://127.0.0.1:{self.receiver.server.server_port}\n"
        )
        for source in [*ROOT.glob("prometheus/*.yml"), *ROOT.glob("prometheus/rules/*.yml")]:
            text = shorten_durations(source.read_text(), SPEED_FACTOR, WAIT_KEYS + INTERVAL_KEYS)
            text = text.replace("  - name: people\n", receiver)
            text = text.replace("http://127.0.0.1:8080/", f"{self.plan.controller_url}/")
            (folder / source.relative_to(ROOT / "prometheus")).write_text(text)

    def start(self) -> None:
        besides = {
            "virtual rack": ["--seed", str(SEED), "--boot-time", "1"],
            "Prometheus": [f"--rules.alert.resend-delay={60 // SPEED_FACTOR}s"],
        }
        for service in config.process_specs(self.plan):
            self._start(replace(service, argv=[*service.argv, *besides.get(service.name, [])]))
        for running in self._running.values():
            wait_until(lambda running=running: is_reachable(running.service.ready))  # type: ignore[misc]
        self.token = create_credentials(self.plan.database).token
        wait_until(lambda: self.get("rack")["states"]["up"] == 48)

    def _start(self, service: ProcessSpec) -> None:
        self._running[service.name] = ManagedProcess(service)

    def reset_monitoring(self) -> None:
        """Start Prometheus and Alertmanager anew, as if nothing had ever been."""
        for name in ("Prometheus", "Alertmanager"):
            running = self._running[name]
            running.stop()
            fresh = f"{self.plan.state}/{name}-{time.monotonic_ns()}"
            words = [
                f"{option}={fresh}" if option.endswith("path") else word
                for word in running.spec.argv
                for option in [word.partition("=")[0]]
            ]
            self._start(replace(running.spec, argv=words))
        self.receiver.notifications.clear()
        wait_until(lambda: is_reachable(self._running["Prometheus"].spec.ready_url))

    def inject_fault(self, targets: str, fault: str) -> None:
        reply = control.send(
            self.plan.state, {"do": "fault", "places": targets.split(), "fault": fault}
        )
        assert "error" not in reply, reply

    def clear_fault(self, targets: str) -> None:
        control.send(self.plan.state, {"do": "heal", "places": targets.split(), "fault": None})

    def drop_relay(self, pin: int) -> None:
        """Move a relay as no order of PiRack's would: contacts are normally closed."""
        control.send(self.plan.state, {"do": "drive", "pin": pin, "output": True, "high": True})

    def stack_power(self, stack: str) -> str:
        power: str = control.send(self.plan.state, {"do": "status"})["stacks"][stack]["power"]
        return power

    def get(self, path: str) -> Any:
        return requests.get(f"{self.plan.controller_url}/api/v1.0/{path}", timeout=10).json()

    def submit_order(self, stack: int, action: str) -> None:
        """Have an operator's program order an action on a stack, and wait until it is done."""
        answer = requests.post(
            f"{self.plan.controller_url}/api/v1.0/stacks/execute",
            json={"id": stack, "action": action, "force": action != "power_on"},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )
        assert answer.status_code == 202, answer.text
        wait_until(lambda: self.get(f"orders/{answer.json()['id']}")["state"] == "done")

    def firing_alerts(self) -> set[tuple[str, str]]:
        """Return name and stack of all that fires by Prometheus, told or not."""
        alerts = requests.get(
            f"http://127.0.0.1:{self.plan.prometheus_port}/api/v1/alerts", timeout=10
        ).json()["data"]["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("stack", ""))
            for each in alerts
            if each["state"] == "firing"
        }

    def close(self) -> None:
        stop_all(list(self._running.values()))
        self.receiver.server.shutdown()
        self.receiver.server.server_close()


def is_reachable(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


@contextmanager
def running_alerting_rack(folder: Path) -> Iterator[AlertingRack]:
    """Give a rack of which every rasp is up; all that was started ends with the block."""
    rack = AlertingRack(folder)
    try:
        rack.start()
        yield rack
    finally:
        rack.close()
