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

from tests.waiting import free_port, until
from virtual_rack import control, demo_plan
from virtual_rack.demo_access import let_in
from virtual_rack.services import Running, Service, stop_all
from virtual_rack.time_lapse import PACE, PATIENCE, faster

ROOT = Path(__file__).parents[2]
FACTOR = 5
SEED = 1
"""By which 07-4 is busy when it is made hot, and no other rasp comes near 75 °C."""

_REMEDY = "power_cycle_dead_stack = "


@dataclass(frozen=True)
class Message:
    """What Alertmanager told people once."""

    group: Mapping[str, str]
    names: tuple[str, ...]

    @property
    def stack(self) -> str:
        return self.group.get("stack", "")


class People:
    """Whoever is to be told of alerts: keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        people = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                people.hear(told)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hear(self, told: Any) -> None:
        firing = [each for each in told["alerts"] if each["status"] == "firing"]
        names = sorted({each["labels"]["alertname"] for each in firing})
        # The machine that runs the tests may itself be short of something.
        if names and not all(name.startswith("PiRackMaster") for name in names):
            self.messages.append(Message(told["groupLabels"], tuple(names)))

    def told_of(self, stack: str) -> set[str]:
        """Return the alerts that were told of a stack."""
        return {name for each in self.messages if each.stack == stack for name in each.names}

    @property
    def count(self) -> Counter[str]:
        """How many messages there were of each stack."""
        return Counter(each.stack for each in self.messages)


class WatchedRack:
    """A virtual rack that runs, with all that watches it."""

    def __init__(self, folder: Path) -> None:
        self.people = People()
        layout = folder / "rack.toml"
        text = (ROOT / "rack.toml").read_text()
        layout.write_text(text.replace(f"{_REMEDY}false", f"{_REMEDY}true"))
        ports = (free_port() for _ in range(5))
        network = f"127.{24 + (os.getpid() + 97) % 199}"
        self.plan = demo_plan.Plan(layout, folder / "state", network, 9849, *ports)
        demo_plan.lay_out(self.plan)
        self._hurry()
        self.token = ""
        self._running: dict[str, Running] = {}

    def _hurry(self) -> None:
        """Lay the real files out anew, at the pace of the test, and let the test be told."""
        folder = self.plan.state / "prometheus"
        receiver = (
            "  - name: people\n    webhook_configs:\n"
            f"      - url: http://127.0.0.1:{self.people.server.server_port}\n"
        )
        for source in [*ROOT.glob("prometheus/*.yml"), *ROOT.glob("prometheus/rules/*.yml")]:
            text = faster(source.read_text(), FACTOR, PATIENCE + PACE)
            text = text.replace("  - name: people\n", receiver)
            text = text.replace("http://127.0.0.1:8080/", f"{self.plan.url}/")
            (folder / source.relative_to(ROOT / "prometheus")).write_text(text)

    def start(self) -> None:
        besides = {
            "virtual rack": ["--seed", str(SEED), "--boot-time", "1"],
            "Prometheus": [f"--rules.alert.resend-delay={60 // FACTOR}s"],
        }
        for service in demo_plan.services(self.plan):
            self._start(replace(service, argv=[*service.argv, *besides.get(service.name, [])]))
        for running in self._running.values():
            until(lambda running=running: answers(running.service.ready))  # type: ignore[misc]
        self.token = let_in(self.plan.database).token
        until(lambda: self.get("rack")["states"]["up"] == 48)

    def _start(self, service: Service) -> None:
        self._running[service.name] = Running(service)

    def forget(self) -> None:
        """Start Prometheus and Alertmanager anew, as if nothing had ever been."""
        for name in ("Prometheus", "Alertmanager"):
            running = self._running[name]
            running.stop()
            fresh = f"{self.plan.state}/{name}-{time.monotonic_ns()}"
            words = [
                f"{option}={fresh}" if option.endswith("path") else word
                for word in running.service.argv
                for option in [word.partition("=")[0]]
            ]
            self._start(replace(running.service, argv=words))
        self.people.messages.clear()
        until(lambda: answers(self._running["Prometheus"].service.ready))

    def fault(self, places: str, fault: str) -> None:
        reply = control.ask(
            self.plan.state, {"do": "fault", "places": places.split(), "fault": fault}
        )
        assert "error" not in reply, reply

    def heal(self, places: str) -> None:
        control.ask(self.plan.state, {"do": "heal", "places": places.split(), "fault": None})

    def drop_relay(self, pin: int) -> None:
        """Move a relay as no order of PiRack's would: contacts are normally closed."""
        control.ask(self.plan.state, {"do": "drive", "pin": pin, "output": True, "high": True})

    def power_of(self, stack: str) -> str:
        power: str = control.ask(self.plan.state, {"do": "status"})["stacks"][stack]["power"]
        return power

    def get(self, path: str) -> Any:
        return requests.get(f"{self.plan.url}/api/v1.0/{path}", timeout=10).json()

    def order(self, stack: int, action: str) -> None:
        """Have an operator's program order an action on a stack, and wait until it is done."""
        answer = requests.post(
            f"{self.plan.url}/api/v1.0/stacks/execute",
            json={"id": stack, "action": action, "force": action != "power_on"},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )
        assert answer.status_code == 202, answer.text
        until(lambda: self.get(f"orders/{answer.json()['id']}")["state"] == "done")

    def firing(self) -> set[tuple[str, str]]:
        """Return name and stack of all that fires by Prometheus, told or not."""
        alerts = requests.get(
            f"http://127.0.0.1:{self.plan.prometheus}/api/v1/alerts", timeout=10
        ).json()["data"]["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("stack", ""))
            for each in alerts
            if each["state"] == "firing"
        }

    def close(self) -> None:
        stop_all(list(self._running.values()))
        self.people.server.shutdown()
        self.people.server.server_close()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


@contextmanager
def a_watched_rack(folder: Path) -> Iterator[WatchedRack]:
    """Give a rack of which every rasp is up; all that was started ends with the block."""
    rack = WatchedRack(folder)
    try:
        rack.start()
        yield rack
    finally:
        rack.close()
