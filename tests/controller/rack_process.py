"""Virtual rack, controller, blackbox_exporter and Prometheus as processes of a test."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import requests

from controller.alerts.secret import load_or_create
from rack.clock import seconds_since_boot
from rack.database import Database
from rack.layout_file import load
from rack.power import commanded_power
from rack.power.outlets import Outlets
from tests.helpers.forked_program import ForkedProgram, call_in_fork, run_program
from tests.helpers.layouts import Keys, layout_text
from tests.helpers.waiting import (
    TIMEOUT_SECONDS,
    free_network_prefix,
    free_port,
    is_reachable,
    wait_until,
)
from tools.programs import find
from virtual_rack import control

ROOT = Path(__file__).parents[2]


class ControllerProcess:
    """Process of a controller."""

    def __init__(self, process: ForkedProgram, port: int, log: Path) -> None:
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
        return requests.get(f"{self.url}/api/v1.0/{path}", timeout=TIMEOUT_SECONDS).json()

    def metric(self, name: str) -> dict[str, float]:
        """Return the value of a metric for each stack."""
        response = requests.get(f"{self.url}/metrics", timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        values = {}
        for line in response.text.splitlines():
            if line.startswith(f"{name}{{"):
                labels, value = line.removeprefix(name).rsplit(" ", 1)
                values[labels.split('stack="')[1][:2]] = float(value)
        return values

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        return is_reachable(f"{self.url}/healthz")

    def stop(self, signal: int) -> int:
        """Send a signal and wait for the end of the process. Return its exit status."""
        self.process.send_signal(signal)
        return self.process.wait(TIMEOUT_SECONDS)


class RackProcess:
    """Virtual rack in its own loopback network, and the processes that use it."""

    def __init__(
        self,
        folder: Path,
        *,
        active_high: bool = True,
        contact: str,
        boot_seconds: float = 0.1,
        orders: str = "",
        stacks: int | Sequence[Keys] = 3,
        power_tables: str = "",
    ) -> None:
        self.folder = folder
        self._boot_seconds = boot_seconds
        self.state_folder = folder / "state"
        self.network_prefix = free_network_prefix()
        self.prometheus_port = free_port()
        self.blackbox_port = free_port()
        self.layout_path = folder / "rack.toml"
        self.layout_path.write_text(
            layout_text(
                stacks,
                relays={"active_high": active_high, "contact": contact},
                extra_tables=f"[orders]\n{orders}\n{power_tables}\n",
            )
        )
        self.targets_folder.mkdir(parents=True)
        self._processes: list[ForkedProgram | subprocess.Popen[str]] = []

    @property
    def targets_folder(self) -> Path:
        return self.folder / "prometheus" / "targets"

    @property
    def pin_environment(self) -> Mapping[str, str]:
        """Environment of programs that use the virtual pins of this rack."""
        return {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(self.state_folder),
        }

    def start_rack(self, *extra_options: str) -> None:
        """Start the virtual rack with additional options."""
        arguments = ["--rack", str(self.layout_path), "--state", str(self.state_folder)]
        arguments += [
            "--network",
            self.network_prefix,
            "--boot-time",
            str(self._boot_seconds),
            *extra_options,
        ]
        process = self._start("virtual_rack", ["run", *arguments])
        wait_until(lambda: process.poll() is not None or self._is_running())
        assert process.poll() is None, (self.folder / "virtual_rack.log").read_text()

    def _is_running(self) -> bool:
        try:
            return bool(self.stacks)
        except control.RackUnavailableError:
            return False

    def start_controller(self, *, pins: Mapping[str, str] | None = None) -> ControllerProcess:
        """Start a controller and wait until it is ready."""
        port = free_port()
        environment = self.pin_environment if pins is None else pins
        process = self._start("controller", self.controller_arguments(port), environment)
        controller = ControllerProcess(process, port, self.folder / "controller.log")
        wait_until(controller.is_ready)
        return controller

    def controller_arguments(self, port: int) -> list[str]:
        """Return the command line of the controller."""
        return [
            *("--rack", str(self.layout_path), "--db", str(self.state_folder / "pirack.db")),
            *("--targets", str(self.targets_folder), "--listen", f"127.0.0.1:{port}"),
            *("--prometheus", f"http://127.0.0.1:{self.prometheus_port}", "--ping", "tcp:9848"),
            *("--ssh-port", "9822", "--blackbox", f"127.0.0.1:{self.blackbox_port}"),
            *("--anonymous", "viewer"),
        ]

    def _start(
        self, module: str, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> ForkedProgram:
        with (
            (self.folder / f"{module}.log").open("a") as log,
            open(os.devnull, "rb") as empty,  # noqa: PTH123
        ):
            process = ForkedProgram(
                module,
                arguments,
                environment=clean_environment() | dict(environment or {}),
                descriptors=(empty.fileno(), log.fileno(), log.fileno()),
                folder=ROOT,
            )
        self._processes.append(process)
        return process

    def _run(
        self, log_name: str, command: list[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        with (self.folder / f"{log_name}.log").open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._processes.append(process)
        return process

    def start_blackbox(self) -> None:
        """Start the blackbox_exporter of the controller."""
        blackbox = find("blackbox_exporter")
        command = [
            *blackbox.command,
            f"--config.file={ROOT / 'prometheus' / 'blackbox.yml'}",
            f"--web.listen-address=127.0.0.1:{self.blackbox_port}",
        ]
        self._blackbox_process = self._run("blackbox", command, blackbox.environment)
        wait_until(lambda: is_reachable(f"http://127.0.0.1:{self.blackbox_port}/-/healthy"))

    def start_prometheus(self) -> None:
        """Start a Prometheus with PiRack's configuration and a scrape interval of one second."""
        prometheus = find("prometheus")
        folder = self.targets_folder.parent
        shutil.copytree(ROOT / "prometheus" / "rules", folder / "rules")
        text = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        for slow, fast in (("interval: 5s", "interval: 1s"), ("timeout: 4s", "timeout: 1s")):
            text = text.replace(slow, fast)
        (folder / "prometheus.yml").write_text(text, encoding="utf-8")
        load_or_create(folder / "secrets" / "alerts")
        command = [
            *prometheus.command,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
        ]
        self._run("prometheus", command, prometheus.environment)
        wait_until(lambda: is_reachable(f"http://127.0.0.1:{self.prometheus_port}/-/ready"))

    def stop_blackbox(self) -> None:
        """Stop blackbox_exporter, so that the reachability of rasps is unknown."""
        self._blackbox_process.terminate()
        self._blackbox_process.wait(TIMEOUT_SECONDS)

    def run_controller(self, port: int) -> subprocess.CompletedProcess[str]:
        """Run a controller that must exit without a signal."""
        return run_program(
            "controller",
            self.controller_arguments(port),
            environment=clean_environment() | dict(self.pin_environment),
            folder=ROOT,
        )

    def switch(self, stack: int, power: str) -> None:
        """Switch the power of a stack in another process."""
        call_in_fork(
            partial(_switch, self.layout_path, self.state_folder / "pirack.db", stack, power),
            clean_environment() | dict(self.pin_environment),
        )

    def interrupt_order(self, stack: int, power: str) -> None:
        """Save a command without moving the relay, like an order that is killed in between."""
        database, rack = Database(self.state_folder / "pirack.db"), load(self.layout_path)
        outlet = rack.outlet(stack)
        commanded = commanded_power.load_all(database, rack)[outlet]
        commanded_power.save(database, {outlet: replace(commanded, is_on=power == "on")})

    def end_off_time(self) -> None:
        """Set the return of power to now for each stack whose power cycle was interrupted."""
        database, rack = Database(self.state_folder / "pirack.db"), load(self.layout_path)
        now = seconds_since_boot()
        interrupted = {
            outlet: replace(power, on_again_at=now)
            for outlet, power in commanded_power.load_all(database, rack).items()
            if power.on_again_at is not None
        }
        commanded_power.save(database, interrupted)

    @property
    def stacks(self) -> Mapping[str, Any]:
        """Power and number of relay moves of each stack."""
        stacks: Mapping[str, Any] = control.send(self.state_folder, {"command": "status"})["stacks"]
        return stacks

    @property
    def outlets(self) -> Mapping[str, Any]:
        """Power and number of moves of each outlet."""
        outlets: Mapping[str, Any] = control.send(self.state_folder, {"command": "status"})[
            "outlets"
        ]
        return outlets

    @property
    def power(self) -> list[str]:
        return [stack["power"] for stack in self.stacks.values()]

    @property
    def relay_moves(self) -> list[int]:
        return [stack["relay_moves"] for stack in self.stacks.values()]

    @property
    def pin_states(self) -> str:
        messages = [{"command": "get_pin", "pin": pin} for pin in (16, 17, 18)]
        return json.dumps([control.send(self.state_folder, message) for message in messages])

    def exporters_reachable(self, stack: int) -> list[bool]:
        """Return whether each exporter of a stack responds."""
        return [
            self._is_exporter_reachable(f"{self.network_prefix}.{stack}.{slot}") for slot in (1, 2)
        ]

    @staticmethod
    def _is_exporter_reachable(address: str) -> bool:
        return is_reachable(f"http://{address}:9849/metrics")

    def inject_fault(self, targets: str, fault: str) -> None:
        """Inject a fault into rasps."""
        self._send({"command": "fault", "targets": [targets], "fault": fault})

    def clear_fault(self, targets: str) -> None:
        """Clear all faults of rasps."""
        self._send({"command": "heal", "targets": [targets], "fault": None})

    def _send(self, request: Mapping[str, Any]) -> None:
        reply = control.send(self.state_folder, request)
        assert "error" not in reply, reply

    @property
    def phases(self) -> Mapping[str, str]:
        """Phase of each rasp: off, booting, up or halted."""
        rasps = control.send(self.state_folder, {"command": "status"})["rasps"]
        return {name: rasp["phase"] for name, rasp in rasps.items()}

    def wait_until_up(self) -> None:
        """Wait until all rasps are up."""
        wait_until(lambda: set(self.phases.values()) == {"up"})

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(TIMEOUT_SECONDS)


def clean_environment() -> dict[str, str]:
    names = {"GPIOZERO_PIN_FACTORY", "PIRACK_VIRTUAL_RACK"}
    return {name: value for name, value in os.environ.items() if name not in names}


def _switch(layout: Path, database: Path, stack: int, power: str) -> None:
    rack = load(layout)
    Outlets(rack, Database(database)).switch({rack.outlet(stack): power == "on"})


@contextmanager
def running_rack(
    folder: Path,
    *,
    active_high: bool = True,
    contact: str = "normally_closed",
    boot_seconds: float = 0.1,
    orders: str = "",
    stacks: int | Sequence[Keys] = 3,
    power_tables: str = "",
) -> Iterator[RackProcess]:
    """Run a virtual rack. All its processes are stopped at the end of the block.

    Args:
        folder: Folder for all files.
        active_high: Whether a high pin energizes the relay.
        contact: Contact of the relays.
        boot_seconds: Mean boot time of the rasps.
        orders: Text of the table [orders] in rack.toml.
        stacks: Number of stacks with relays, or the keys of each stack.
        power_tables: Text of the tables [power.NAME] in rack.toml.
    """
    rack_process = RackProcess(
        folder,
        active_high=active_high,
        contact=contact,
        boot_seconds=boot_seconds,
        orders=orders,
        stacks=stacks,
        power_tables=power_tables,
    )
    try:
        rack_process.start_rack()
        yield rack_process
    finally:
        rack_process.close()
