"""A running demo."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.helpers.forked_program import ForkedProgram, run_program
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import (
    TIMEOUT_SECONDS,
    is_network_free,
    wait_until,
    worker_networks,
)
from tools.programs import find
from virtual_rack.demo.config import second_octet

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass
class DemoProcess:
    """A running demo."""

    process: ForkedProgram
    port_base: int
    folder: Path

    @property
    def state_folder(self) -> Path:
        return self.folder / f".demo-{self.port_base}"

    def get(self, path: str) -> Any:
        """Return a response to the operator token."""
        response = requests.get(
            f"http://127.0.0.1:{self.port_base}/api/v1.0/{path}",
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: Mapping[str, Any]) -> requests.Response:
        """Send a request with the operator token."""
        return requests.post(
            f"http://127.0.0.1:{self.port_base}/api/v1.0/{path}",
            json=body,
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
        )

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def token(self) -> str:
        """The token in the output of the demo."""
        match = re.search(r"API token +(\S+)", (self.folder / "demo.log").read_text())
        assert match is not None
        return match[1]

    def rack_page(self, query: str = "") -> str:
        return requests.get(
            f"http://127.0.0.1:{self.port_base}/{query}", timeout=TIMEOUT_SECONDS
        ).text

    def count(self, expression: str) -> int:
        """Return the result of `count(expression)` in Prometheus."""
        return sum(int(element["value"][1]) for element in self.query(f"count({expression})"))

    def query(self, expression: str, time: float | None = None) -> list[Any]:
        """Return the result of an expression in Prometheus, now or at a time since the epoch."""
        response = requests.get(
            f"http://127.0.0.1:{self.port_base + 1}/api/v1/query",
            params={"query": expression, "time": time},
            timeout=TIMEOUT_SECONDS,
        ).json()
        result: list[Any] = response["data"]["result"]
        return result

    def run_virtual_rack(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_module("virtual_rack", *arguments, "--state", str(self.state_folder))

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def run_module(
    module: str, *arguments: str, folder: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE` in a folder."""
    return run_program(module, arguments, environment=environment(), folder=folder)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


@contextmanager
def running_demo(folder: Path, *arguments: str) -> Iterator[DemoProcess]:
    """Run a demo in a folder. Wait until it is ready, and stop it with SIGINT at the end."""
    for program in ("prometheus", "blackbox_exporter", "alertmanager"):
        find(program)
    base = free_port_base()
    log = folder / "demo.log"
    with log.open("w") as out, Path(os.devnull).open() as empty:
        process = ForkedProgram(
            "virtual_rack.demo",
            ["--port-base", str(base), *arguments],
            environment=environment(),
            descriptors=(empty.fileno(), out.fileno(), out.fileno()),
            folder=folder,
        )
    try:
        wait_until(lambda: "Press Ctrl-C to stop" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield DemoProcess(process, base, folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT_SECONDS)


def free_port_base() -> int:
    """Return the first of five free ports, whose demo has a free network, for this test process.

    The ports are below 32768, because the kernel uses higher ports for outgoing connections. The
    networks are the 100 below those of the other tests, split among the pytest workers.
    """
    octets = {octet - 100 for octet in worker_networks()}
    for base in range(20_000 + os.getpid() % 1000 * 10, 32_760, 10):
        if (
            second_octet(base) in octets
            and is_network_free(f"127.{second_octet(base)}")
            and not any(is_port_open(base + i) for i in range(5))
        ):
            return base
    raise AssertionError("all ports or networks are in use")


def is_port_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_poe_demo(folder: Path) -> Iterator[DemoProcess]:
    """Run a demo with four rasps, each of which a port of a PoE switch powers."""
    find("snmpd")
    rack = folder / "given.toml"
    rack.write_text(layout_text(2))
    with running_demo(folder, "--rack", str(rack), "--power", "poe") as demo:
        yield demo
