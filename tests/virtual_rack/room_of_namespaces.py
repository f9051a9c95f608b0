"""A virtual rack of namespaces that runs, and what can be seen of it from its master."""

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
from tests.waiting import SECONDS, until
from virtual_rack import control
from virtual_rack.network_namespace import inside
from virtual_rack.programs import find

ROOT = Path(__file__).parents[2]

LAYOUT = """
name = "small"
slots = {slots}
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{{stack}}.{{slot}}"
[relays]
active_high = true
contact = "normally_closed"
"""
STACK = """
[[stacks]]
pin = {pin}
x = {x}
y = 0
"""


def layout(path: Path, stacks: int, slots: int, tables: str = "") -> Path:
    """Write a rack.toml; `tables` are further ones."""
    rows = [STACK.format(pin=16 + i, x=i) for i in range(stacks)]
    path.write_text(LAYOUT.format(slots=slots) + tables + "".join(rows))
    return path


class Room:
    """A rack that runs; `outer` is the process that it was started as."""

    def __init__(self, folder: Path, outer: subprocess.Popen[str], rack: Path) -> None:
        self.state = folder / "state"
        self.outer = outer
        self.rack_toml = rack
        self.layout = load(rack)
        self._log = folder / "virtual_rack.log"
        self._busybox = find("udhcpc").path.resolve()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def dhcpd_log(self) -> str:
        return (self.state / "dhcpd" / "dhcpd.log").read_text(errors="replace")

    def console(self, name: str) -> str:
        """What the processes of a rasp said."""
        return (self.state / "rasps" / name / "console.log").read_text(errors="replace")

    def ask(self, do: str, **request: object) -> Any:
        reply = control.ask(self.state, {"do": do, **request})
        assert "error" not in reply, reply
        return reply

    def put_on(self, place: str, fault: str) -> None:
        self.ask("fault", places=[place], fault=fault)

    def heal(self, place: str) -> None:
        self.ask("heal", places=[place], fault=None)

    @property
    def phases(self) -> dict[str, str]:
        """How far each rasp is, by its name."""
        return {name: rasp["phase"] for name, rasp in self.ask("status")["rasps"].items()}

    def power(self, stack: int, power: str) -> None:
        """Drive the pin of a stack, whose relay is wired as normally closed."""
        pin = self.layout.stack(stack).pin
        self.ask("drive", pin=pin, output=True, high=power == "off")

    @contextmanager
    def on_the_master(self) -> Iterator[None]:
        """Have this thread in the master's network until the block is left."""
        with inside(self._network):
            yield

    @cached_property
    def _network(self) -> Path:
        return Path(f"/proc/{control.process(self.state)}/ns/net")

    def address(self, name: str) -> str:
        return next(str(slot.address) for slot in self.layout.slots if slot.name == name)

    def pings(self, address: str) -> bool:
        words = [str(self._busybox), "ping", "-c", "1", "-W", "1", address]
        with self.on_the_master():
            done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=False)
        return done.returncode == 0

    def speaks_ssh(self, address: str) -> bool:
        with self.on_the_master():
            try:
                with socket.create_connection((address, 22), 1.0) as connection:
                    return connection.recv(8) == b"SSH-2.0-"
            except OSError:
                return False

    def connects(self, address: str, port: int) -> bool:
        with self.on_the_master():
            try:
                socket.create_connection((address, port), 1.0).close()
            except OSError:
                return False
            return True

    def scrape(self, address: str, port: int = 9849) -> str:
        """Return a rasp's metrics; none where its exporter does not answer."""
        with self.on_the_master():
            try:
                return requests.get(f"http://{address}:{port}/metrics", timeout=2).text
            except requests.RequestException:
                return ""

    def answers(self, name: str) -> bool:
        """Tell whether a rasp answers in each way."""
        address = self.address(name)
        return self.speaks_ssh(address) and self.pings(address) and bool(self.scrape(address))

    @property
    def answering(self) -> list[str]:
        return [slot.name for slot in self.layout.slots if self.answers(slot.name)]

    def until_all_answer(self) -> None:
        until(lambda: len(self.answering) == len(self.layout.slots))

    def until_it_answers(self, name: str) -> None:
        until(lambda: self.answers(name))

    def ssh(self, name: str, asked: str) -> subprocess.CompletedProcess[str]:
        """Ask a rasp for an action."""
        return self.enter(self.ssh_words(name, asked))

    def ssh_words(self, name: str, asked: str) -> list[str]:
        """How people ask, by OpenSSH with what the rack has made for it."""
        folder = self.state / "ssh"
        return [
            *(*find("ssh").words, "-F", "none", "-o", "BatchMode=yes"),
            *("-i", str(folder / "id_ed25519")),
            *("-o", f"UserKnownHostsFile={folder / 'known_hosts'}"),
            *(f"root@{self.address(name)}", asked),
        ]

    def enter(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command on the master."""
        return command("enter", "--state", str(self.state), "--", *argv)

    @property
    def pins(self) -> dict[str, str]:
        """The environment in which a program has the pins of this rack's master."""
        pins = {"GPIOZERO_PIN_FACTORY": "virtual_rack", "PIRACK_VIRTUAL_RACK": str(self.state)}
        return os.environ | pins

    @contextmanager
    def entered(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """Have a command run on the master, which has its pins, until the block is left."""
        words = ["enter", "--state", str(self.state), "--", *argv]
        with subprocess.Popen(
            [sys.executable, "-m", "virtual_rack", *words],
            cwd=ROOT,
            env=self.pins,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m virtual_rack`."""
    return subprocess.run(
        [sys.executable, "-m", "virtual_rack", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def start(
    folder: Path,
    words: Sequence[str],
    *,
    stacks: int,
    slots: int,
    tables: str = "",
    before: Sequence[str] = (),
) -> Room:
    """Start a rack, by a command that stands `before` it, and wait until it runs."""
    rack = layout(folder / "rack.toml", stacks, slots, tables)
    log = folder / "virtual_rack.log"
    with log.open("a") as output:
        outer = subprocess.Popen(
            [
                *(*before, sys.executable, "-m", "virtual_rack", "run", "--network", "namespaces"),
                *("--rack", str(rack), "--state", str(folder / "state"), *words),
            ],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    until(lambda: outer.poll() is not None or "rasps on" in log.read_text())
    assert outer.poll() is None, log.read_text()
    return Room(folder, outer, rack)


@contextmanager
def a_room(folder: Path, *words: str, stacks: int, slots: int, tables: str = "") -> Iterator[Room]:
    """Give a rack that runs until the block is left; needs root, who may enter it by a thread."""
    if os.geteuid() != 0:
        pytest.skip("only root can have a thread of its own in the master's network")
    room = start(folder, words, stacks=stacks, slots=slots, tables=tables)
    try:
        yield room
    finally:
        room.outer.terminate()
        room.outer.wait(SECONDS)
