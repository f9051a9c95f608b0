"""A running namespace rack, and checks from its master."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

from rack.layout_file import load
from tests.helpers.forked_program import run_program
from tests.helpers.layouts import Keys, layout_text, pin_of
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tools.programs import find
from virtual_rack import control
from virtual_rack.network_namespace import inside

ROOT = Path(__file__).parents[2]


def write_layout(
    path: Path, stacks: int | Sequence[Keys], slots: int, extra_tables: str = ""
) -> Path:
    """Write a rack.toml with additional tables."""
    path.write_text(layout_text(stacks, slots=slots, extra_tables=extra_tables))
    return path


class NamespaceRackProcess:
    """A running rack. `outer_process` is the process outside the sandbox."""

    def __init__(self, folder: Path, outer: subprocess.Popen[str], rack: Path) -> None:
        self.state_folder = folder / "state"
        self.outer_process = outer
        self.rack_toml = rack
        self.layout = load(rack)
        self._log = folder / "virtual_rack.log"
        self._busybox = find("udhcpc").path.resolve()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def dhcpd_log(self) -> str:
        return (self.state_folder / "dhcpd" / "dhcpd.log").read_text(errors="replace")

    def console_log(self, name: str) -> str:
        """Return the output of the processes of a rasp."""
        return (self.state_folder / "rasps" / name / "console.log").read_text(errors="replace")

    def send(self, command: str, **request: object) -> Any:
        reply = control.send(self.state_folder, {"command": command, **request})
        assert "error" not in reply, reply
        return reply

    def inject_fault(self, target: str, fault: str) -> None:
        self.send("fault", targets=[target], fault=fault)

    def clear_faults(self, target: str) -> None:
        self.send("heal", targets=[target], fault=None)

    @property
    def phases(self) -> dict[str, str]:
        """The phase of each rasp, keyed by the name of the rasp."""
        return {name: rasp["phase"] for name, rasp in self.send("status")["rasps"].items()}

    def switch_stack(self, stack: int, power: str) -> None:
        """Set the pin of a stack, whose relay has a normally-closed contact.

        The rasps lose their power some milliseconds after the pin is set.
        """
        pin = pin_of(self.layout.stack(stack))
        self.send("set_pin", pin=pin, output=True, high=power == "off")
        wait_until(lambda: self._is_cut_if_relay_is_off(stack))

    def _is_cut_if_relay_is_off(self, stack: int) -> bool:
        status = self.send("status")
        if status["stacks"][f"{stack:02}"]["power"] == "on":
            return True
        phases = [status["rasps"][slot.name]["phase"] for slot in self.layout.stack(stack).slots]
        return set(phases) == {"off"}

    @contextmanager
    def in_master_network(self) -> Iterator[None]:
        """Move this thread into the master's network in the block."""
        with inside(self._network_namespace):
            yield

    @cached_property
    def _network_namespace(self) -> Path:
        return Path(f"/proc/{control.server_process_id(self.state_folder)}/ns/net")

    def address(self, name: str) -> str:
        return next(str(slot.address) for slot in self.layout.slots if slot.name == name)

    def answers_ping(self, address: str) -> bool:
        argv = [str(self._busybox), "ping", "-c", "1", "-W", "1", address]
        with self.in_master_network():
            result = subprocess.run(argv, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
        return result.returncode == 0

    def answers_ssh(self, address: str) -> bool:
        with self.in_master_network():
            try:
                with socket.create_connection((address, 22), 1.0) as connection:
                    return connection.recv(8) == b"SSH-2.0-"
            except OSError:
                return False

    def accepts_connection(self, address: str, port: int) -> bool:
        with self.in_master_network():
            try:
                socket.create_connection((address, port), 1.0).close()
            except OSError:
                return False
            return True

    def scrape(self, address: str, port: int = 9849, *, timeout: float = 2.0) -> str:
        """Return the metrics of a rasp, or "" if the exporter of the rasp does not respond."""
        with self.in_master_network():
            try:
                return requests.get(f"http://{address}:{port}/metrics", timeout=timeout).text
            except requests.RequestException:
                return ""

    def answers(self, name: str) -> bool:
        """Return whether a rasp responds to SSH, ping and scrapes."""
        address = self.address(name)
        return (
            self.answers_ssh(address) and self.answers_ping(address) and bool(self.scrape(address))
        )

    @property
    def answering_rasps(self) -> list[str]:
        return [slot.name for slot in self.layout.slots if self.answers(slot.name)]

    def wait_until_all_answer(self) -> None:
        wait_until(lambda: len(self.answering_rasps) == len(self.layout.slots))

    def wait_until_answers(self, name: str) -> None:
        wait_until(lambda: self.answers(name))

    def ssh(self, name: str, action: str) -> subprocess.CompletedProcess[str]:
        """Run an action on a rasp."""
        return self.run_on_master(self.ssh_command(name, action))

    def ssh_command(self, name: str, action: str) -> list[str]:
        """Return the OpenSSH command with the keys of the rack."""
        folder = self.state_folder / "ssh"
        return [
            *(*find("ssh").command, "-F", "none", "-o", "BatchMode=yes"),
            *("-i", str(folder / "id_ed25519")),
            *("-o", f"UserKnownHostsFile={folder / 'known_hosts'}"),
            *(f"root@{self.address(name)}", action),
        ]

    def run_on_master(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command on the master."""
        return run_virtual_rack("enter", "--state", str(self.state_folder), "--", *argv)

    @property
    def pin_environment(self) -> dict[str, str]:
        """The environment for a program that uses the pins of this rack."""
        pins = {
            "GPIOZERO_PIN_FACTORY": "virtual_rack",
            "PIRACK_VIRTUAL_RACK": str(self.state_folder),
        }
        return os.environ | pins

    @contextmanager
    def running_on_master(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command on the master in the block. The command can use the pins of the master."""
        arguments = ["enter", "--state", str(self.state_folder), "--", *argv]
        with subprocess.Popen(
            [sys.executable, "-m", "virtual_rack", *arguments],
            cwd=ROOT,
            env=self.pin_environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def run_virtual_rack(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m virtual_rack`."""
    return run_program("virtual_rack", arguments, environment=os.environ, folder=ROOT)


def start_namespace_rack(
    folder: Path,
    arguments: Sequence[str],
    *,
    stacks: int | Sequence[Keys],
    slots: int,
    extra_tables: str = "",
    launcher: Sequence[str] = (),
) -> NamespaceRackProcess:
    """Start a rack with the command prefix `launcher` and wait until it is running."""
    rack = write_layout(folder / "rack.toml", stacks, slots, extra_tables)
    log = folder / "virtual_rack.log"
    with log.open("a") as output:
        outer = subprocess.Popen(
            [
                *(*launcher, sys.executable, "-m", "virtual_rack", "run"),
                *("--network", "namespaces"),
                *("--rack", str(rack), "--state", str(folder / "state"), *arguments),
            ],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    wait_until(lambda: outer.poll() is not None or "rasps on" in log.read_text())
    assert outer.poll() is None, log.read_text()
    return NamespaceRackProcess(folder, outer, rack)


@contextmanager
def running_namespace_rack(
    folder: Path,
    *arguments: str,
    stacks: int | Sequence[Keys],
    slots: int,
    extra_tables: str = "",
) -> Iterator[NamespaceRackProcess]:
    """Run a rack in the block. A thread can enter the network of the rack only as root."""
    if os.geteuid() != 0:
        pytest.skip("only root can enter the master's network from a thread")
    rack = start_namespace_rack(
        folder, arguments, stacks=stacks, slots=slots, extra_tables=extra_tables
    )
    try:
        yield rack
    finally:
        rack.outer_process.terminate()
        rack.outer_process.wait(TIMEOUT_SECONDS)
