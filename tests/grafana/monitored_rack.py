"""A virtual rack with many faults, monitored by real Prometheus and blackbox_exporter.

01-1 is dead, 01-2 is hot, 02-1 has under-voltage, and the root file system of 02-2 is read-only.
Stack 3 is switched off, and one alias fails on every rasp. Alerts fire immediately.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from controller.alerts.secret import load_or_create
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from exporter.aliases import DEFAULT_PATH
from rack.database import Database
from tests.controller.rack_process import ROOT, ControllerProcess, RackProcess
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until
from tools.programs import find
from virtual_rack import control
from virtual_rack.demo.processes import ManagedProcess, ProcessSpec, stop_all
from virtual_rack.demo.speed_up import shorten_durations

_FAILING_ALIAS = "\n[broken]\n# A missing sensor.\nsensor = exit 1\n"
_FAULTS = {"1/1": "dead", "1/2": "hot", "2/1": "undervoltage", "2/2": "readonly"}
_SPEED_FACTOR = 100_000


class MonitoredRack(RackProcess):
    """A rack process with monitoring services."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, contact="normally_closed")
        self.blackbox_port = free_port()
        self._services: list[ManagedProcess] = []
        self._token = ""

    def controller_arguments(self, port: int) -> list[str]:
        conf, log = self.folder / "dhcpd.conf", self.folder / "dhcpd.log"
        conf.touch()
        log.touch()
        return [
            *super().controller_arguments(port),
            *("--blackbox", f"127.0.0.1:{self.blackbox_port}", "--dhcpd-conf", str(conf)),
            *("--dhcp-server", "auto-reload", "--dhcp-log", f"file:{log}"),
        ]

    @property
    def pin_environment(self) -> Mapping[str, str]:
        """The base environment with dhcpd, which an install uses to check dhcpd.conf."""
        dhcpd = find("dhcpd")
        path = os.pathsep.join((str(dhcpd.path.parent), os.environ["PATH"]))
        return {**super().pin_environment, **dhcpd.extra_environment, "PATH": path}

    def write_aliases(self) -> Path:
        file = self.folder / "aliases.ini"
        file.write_text(DEFAULT_PATH.read_text(encoding="utf-8") + _FAILING_ALIAS)
        return file

    def send_request(
        self, controller: ControllerProcess, path: str, method: str = "POST", **body: object
    ) -> requests.Response:
        """Send an API request to the controller with a token. Return the successful response."""
        if not self._token:
            database = Database(self.state_folder / "pirack.db")
            self._token = Tokens(database).add("dashboards", Role.OPERATOR)
        response = requests.request(
            method,
            f"{controller.url}/api/v1.0/{path}",
            json=body if method == "POST" else None,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=TIMEOUT_SECONDS,
        )
        assert response.ok, response.text
        return response

    def inject_faults(self) -> None:
        for target, fault in _FAULTS.items():
            request = {"command": "fault", "targets": [target], "fault": fault}
            assert "error" not in control.send(self.state_folder, request)

    def start_monitoring(self) -> None:
        home = self.targets_folder.parent
        shutil.copy(ROOT / "prometheus" / "prometheus.yml", home)
        (home / "rules").mkdir()
        load_or_create(home / "secrets" / "alerts")
        for rules in (ROOT / "prometheus" / "rules").glob("*.yml"):
            (home / "rules" / rules.name).write_text(
                shorten_durations(rules.read_text(), _SPEED_FACTOR)
            )
        self._start_service(
            "prometheus",
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            ready_url=f"http://127.0.0.1:{self.prometheus_port}/-/ready",
        )
        self._start_service(
            "blackbox_exporter",
            f"--config.file={ROOT / 'prometheus' / 'blackbox.yml'}",
            f"--web.listen-address=127.0.0.1:{self.blackbox_port}",
            ready_url=f"http://127.0.0.1:{self.blackbox_port}/-/healthy",
        )

    def _start_service(self, name: str, *arguments: str, ready_url: str) -> None:
        program = find(name)
        log = self.folder / f"{name}.log"
        argv = [str(program.path), *arguments]
        process = ManagedProcess(
            ProcessSpec(name, argv, log, ready_url, extra_environment=program.environment)
        )
        self._services.append(process)

        def is_ready() -> bool:
            assert process.exit_status is None, process.last_output
            return is_reachable(ready_url)

        wait_until(is_ready)

    def query_prometheus(self, path: str, **parameters: str | float) -> Any:
        """Send a request to Prometheus' API and return the data."""
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/{path}"
        response: Mapping[str, Any] = requests.get(
            url, params=parameters, timeout=TIMEOUT_SECONDS
        ).json()
        assert response["status"] == "success", response
        return response["data"]

    def close(self) -> None:
        stop_all(self._services)
        super().close()


@contextmanager
def running_monitored_rack(folder: Path) -> Iterator[tuple[MonitoredRack, ControllerProcess]]:
    """Yield a rack with many faults, and its controller."""
    rack = MonitoredRack(folder)
    try:
        rack.start_rack("--aliases", str(rack.write_aliases()))
        controller = rack.start_controller()
        rack.start_monitoring()
        rack.send_request(controller, "stacks/execute", id=3, action="power_off", force=True)
        rack.inject_faults()
        yield rack, controller
    finally:
        rack.close()
