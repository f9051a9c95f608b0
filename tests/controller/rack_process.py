"""A room with a virtual rack in it, and the real controller, each a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from rack.database import Database
from rack.layout_file import load
from rack.relays import Relays
from tests.helpers.waiting import TIMEOUT_SECONDS, free_network_prefix, free_port, wait_until
from tools.programs import find
from virtual_rack import control

ROOT = Path(__file__).parents[2]

THREE_STACK_RACK_TOML = """
name = "small"
slots = 2
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{{stack}}.{{slot}}"
[relays]
active_high = {active_high}
contact = "{contact}"
[orders]
{orders}
[[stacks]]
pin = 16
x = 0
y = 0
[[stacks]]
pin = 17
x = 1
y = 0
[[stacks]]
pin = 18
x = 2
y = 0
"""


class ControllerProcess:
    """A controller's process."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        return requests.get(f"{self.url}/api/v1.0/{path}", timeout=10).json()

    def metric(self, name: str) -> dict[str, float]:
        """Return the values of a metric by stack."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        values = {}
        for line in text.splitlines():
            if line.startswith(f"{name}{{"):
                labels, value = line.removeprefix(name).rsplit(" ", 1)
                values[labels.split('stack="')[1][:2]] = float(value)
        return values

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.ConnectionError:
            return False

    def stop(self, signal: int) -> int:
        """Send it a signal and wait for its end; return its exit status."""
        self.process.send_signal(signal)
        return self.process.wait(TIMEOUT_SECONDS)


class RackProcess:
    """A virtual rack that runs, in an /16 of loopback of its own, and what goes on around it."""

    def __init__(
        self,
        folder: Path,
        *,
        active_high: bool = True,
        contact: str,
        boot_seconds: float = 0.1,
        orders: str = "",
    ) -> None:
        self.folder = folder
        self._boot_seconds = boot_seconds
        self.state_folder = folder / "state"
        self.network_prefix = free_network_prefix()
        self.prometheus_port = free_port()
        self.blackbox_port = free_port()
        self.layout_path = folder / "rack.toml"
        self.layout_path.write_text(
            THREE_STACK_RACK_TOML.format(
                active_high=str(active_high).lower(), contact=contact, orders=orders
            )
        )
        self.targets_folder.mkdir(parents=True)
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def targets_folder(self) -> Path:
        return self.folder / "prometheus" / "targets"

    @property
    def pin_environment(self) -> Mapping[str, str]:
        """The environment in which a program finds the pins of this rack's master."""
        return {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(self.state_folder),
        }

    def start_rack(self, *extra_options: str) -> None:
        """Start the virtual rack; `extra_options` are options of its beside those that each one has."""
        words = ["--rack", str(self.layout_path), "--state", str(self.state_folder)]
        words += [
            "--network",
            self.network_prefix,
            "--boot-time",
            str(self._boot_seconds),
            *extra_options,
        ]
        process = self._start("virtual_rack", ["run", *words])
        wait_until(lambda: process.poll() is not None or self._is_running())
        assert process.poll() is None, (self.folder / "virtual_rack.log").read_text()

    def _is_running(self) -> bool:
        try:
            return bool(self.stacks)
        except control.RackNotRunningError:
            return False

    def start_controller(self, *, pins: Mapping[str, str] | None = None) -> ControllerProcess:
        """Start a controller and wait until it serves."""
        port = free_port()
        environment = self.pin_environment if pins is None else pins
        process = self._start("controller", self.controller_arguments(port), environment)
        controller = ControllerProcess(process, port, self.folder / "controller.log")
        wait_until(controller.is_ready)
        return controller

    def controller_arguments(self, port: int) -> list[str]:
        """The controller's command line."""
        return [
            *("--rack", str(self.layout_path), "--db", str(self.state_folder / "pirack.db")),
            *("--targets", str(self.targets_folder), "--listen", f"127.0.0.1:{port}"),
            *("--prometheus", f"http://127.0.0.1:{self.prometheus_port}", "--ping", "tcp:9848"),
            *("--ssh-port", "9822", "--blackbox", f"127.0.0.1:{self.blackbox_port}"),
            *("--anonymous", "viewer"),
        ]

    def _start(
        self, module: str, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        with (self.folder / f"{module}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=clean_environment() | dict(environment or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        return process

    def start_blackbox(self) -> None:
        """Start the blackbox_exporter that the controller asks whether a rasp answers."""
        blackbox = find("blackbox_exporter")
        with (self.folder / "blackbox.log").open("a") as log:
            process = subprocess.Popen(
                [
                    *blackbox.command,
                    f"--config.file={ROOT / 'prometheus' / 'blackbox.yml'}",
                    f"--web.listen-address=127.0.0.1:{self.blackbox_port}",
                ],
                env=blackbox.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        self._blackbox_process = process
        wait_until(lambda: is_reachable(f"http://127.0.0.1:{self.blackbox_port}/-/healthy"))

    def start_prometheus(self) -> None:
        """Start a Prometheus with PiRack's own files, but that it scrapes each second."""
        prometheus = find("prometheus")
        folder = self.targets_folder.parent
        shutil.copytree(ROOT / "prometheus" / "rules", folder / "rules")
        text = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        for slow, fast in (("interval: 5s", "interval: 1s"), ("timeout: 4s", "timeout: 1s")):
            text = text.replace(slow, fast)
        (folder / "prometheus.yml").write_text(text, encoding="utf-8")
        with (self.folder / "prometheus.log").open("a") as log:
            process = subprocess.Popen(
                [
                    *prometheus.command,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
                ],
                env=prometheus.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        wait_until(lambda: is_reachable(f"http://127.0.0.1:{self.prometheus_port}/-/ready"))

    def stop_blackbox(self) -> None:
        """End the blackbox_exporter: nobody can tell then whether a rasp answers."""
        self._blackbox_process.terminate()
        self._blackbox_process.wait(TIMEOUT_SECONDS)

    def run_controller(self, port: int) -> subprocess.CompletedProcess[str]:
        """Start a controller that is to end by itself."""
        return subprocess.run(
            [sys.executable, "-m", "controller", *self.controller_arguments(port)],
            cwd=ROOT,
            env=clean_environment() | dict(self.pin_environment),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def switch(self, stack: int, power: str) -> None:
        """Switch a stack, as a program does that has the relays for a moment."""
        program = (
            "import sys; from pathlib import Path; from tests.controller.rack_process import switch;"
            " switch(*map(Path, sys.argv[1:3]), int(sys.argv[3]), sys.argv[4])"
        )
        words = [str(self.layout_path), str(self.state_folder / "pirack.db"), str(stack), power]
        subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=ROOT,
            env=clean_environment() | dict(self.pin_environment),
            timeout=TIMEOUT_SECONDS,
            check=True,
        )

    @property
    def stacks(self) -> Mapping[str, Any]:
        """Whether each stack has power, and how often its relay has moved."""
        stacks: Mapping[str, Any] = control.send(self.state_folder, {"do": "status"})["stacks"]
        return stacks

    @property
    def power(self) -> list[str]:
        return [stack["power"] for stack in self.stacks.values()]

    @property
    def relay_moves(self) -> list[int]:
        return [stack["relay_moves"] for stack in self.stacks.values()]

    @property
    def pin_states(self) -> str:
        return json.dumps(
            [control.send(self.state_folder, {"do": "pin", "pin": pin}) for pin in (16, 17, 18)]
        )

    def exporters_reachable(self, stack: int) -> list[bool]:
        """Whether the exporter of each rasp of a stack answers."""
        return [
            self._is_exporter_reachable(f"{self.network_prefix}.{stack}.{slot}") for slot in (1, 2)
        ]

    @staticmethod
    def _is_exporter_reachable(address: str) -> bool:
        return is_reachable(f"http://{address}:9849/metrics")

    def inject_fault(self, targets: str, fault: str) -> None:
        """Put a fault on rasps of the rack."""
        self._send({"do": "fault", "places": [targets], "fault": fault})

    def clear_fault(self, targets: str) -> None:
        """Take all faults off rasps of the rack."""
        self._send({"do": "heal", "places": [targets], "fault": None})

    def _send(self, request: Mapping[str, Any]) -> None:
        reply = control.send(self.state_folder, request)
        assert "error" not in reply, reply

    @property
    def phases(self) -> Mapping[str, str]:
        """How far each rasp is: off, booting, up, halted."""
        rasps = control.send(self.state_folder, {"do": "status"})["rasps"]
        return {name: rasp["phase"] for name, rasp in rasps.items()}

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(TIMEOUT_SECONDS)


def is_reachable(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def clean_environment() -> dict[str, str]:
    names = {"GPIOZERO_PIN_FACTORY", "PIRACK_VIRTUAL_RACK"}
    return {name: value for name, value in os.environ.items() if name not in names}


def switch(layout: Path, database: Path, stack: int, power: str) -> None:
    relays = Relays(load(layout), Database(database))
    assert relays.error == ""
    (relays.on if power == "on" else relays.off)(stack)


@contextmanager
def running_rack(
    folder: Path,
    *,
    active_high: bool = True,
    contact: str = "normally_closed",
    boot_seconds: float = 0.1,
    orders: str = "",
) -> Iterator[RackProcess]:
    """Give a room whose rack has begun to run; all that was started ends with the block.

    `boot_seconds` is the mean time in which its rasps boot, `orders` what rack.toml's [orders] say.
    """
    room = RackProcess(
        folder,
        active_high=active_high,
        contact=contact,
        boot_seconds=boot_seconds,
        orders=orders,
    )
    try:
        room.start_rack()
        yield room
    finally:
        room.close()
