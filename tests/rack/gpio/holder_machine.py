"""A machine on which a real systemd runs the unit of the holder, on simulated GPIO lines.

The process of the test is the controller.
"""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from rack.database import Database
from rack.gpio.client import SOCKET, HolderClient
from rack.gpio.pins import HolderFactory
from rack.settings import RelayBoard
from tests.helpers.forked_program import fork_server, processes_lock
from tests.helpers.stack_relays import StackRelays
from tests.helpers.systemd_machine import SystemdMachine, running_systemd
from tests.helpers.waiting import wait_until
from tests.rack.gpio.relay_master import WHOLE_RACK

ROOT = Path(__file__).parents[3]
RACK = replace(WHOLE_RACK, relays=RelayBoard(active_high=True, contact="normally_closed"))
HOLDER = "pirack-relays"

_HALF = 0.5
_KERNEL = "simulated-kernel"
_PYTHON = "/usr/bin/python3"  # users other than root may run it
_FOLDER = "/opt/simulation"
_LOG = "/run/simulation/changes"
_PROGRAM = f"{_PYTHON} -m tests.helpers.simulated_gpio"
_DROP_IN = f"""
[Service]
WorkingDirectory={_FOLDER}
Environment=PYTHONDONTWRITEBYTECODE=1
"""
_KERNEL_UNIT = f"""
[Service]
Type=exec
RuntimeDirectory=simulation
UMask=0000
ExecStart={_PROGRAM} kernel /run/simulation/chip --log {_LOG} {{options}}
"""


class HolderMachine:
    """The machine, with 12 relays.

    Args:
        machine: Machine with the running units.
        folder: Folder of the database.
    """

    def __init__(self, machine: SystemdMachine, folder: Path) -> None:
        self.machine = machine
        self.database = Database(folder / "pirack.db")
        self._socket = machine.path(str(SOCKET))
        self._log = machine.path(_LOG)
        self._clients: list[HolderClient] = []

    def start_controller(self) -> StackRelays:
        """Claim the relays, as a started controller does."""
        client = HolderClient(self._socket)
        self._clients.append(client)
        return claim_relays(client, self.database)

    def start_controller_process(self, seed: int) -> ForkServerProcess:
        """Start a process that claims the relays, and switches random ones until it is killed."""
        arguments = (self._socket, self.database.path, seed)
        with processes_lock:
            process = fork_server().Process(target=_switch_until_killed, args=arguments)
            process.start()
        return process

    def changes(self) -> list[tuple[int, str]]:
        """Return the number and the new state of each pin that has changed, in their order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [(int(pin), state) for _, pin, state in (line.split() for line in lines)]

    def wait_for_change(self, count: int) -> None:
        """Wait until there are more than `count` changes."""
        wait_until(lambda: len(self.changes()) > count)

    def holder_pid(self) -> int:
        """Return the id of the process that holds the lines, in the machine."""
        show = ("systemctl", "show", "--value", "--property=MainPID", HOLDER)
        return int(self.machine.output_of(*show))

    def kill_holder(self, signal: str) -> None:
        """End the holder, and wait until systemd has started another one."""
        previous = self.holder_pid()
        self.machine.output_of("systemctl", "kill", f"--signal={signal}", HOLDER)
        wait_until(lambda: self.holder_pid() not in {0, previous})

    def close(self) -> None:
        for client in self._clients:
            client.close()


def claim_relays(client: HolderClient, database: Database) -> StackRelays:
    """Claim the relays, as a started controller does."""
    relays = StackRelays(RACK, database, factory=lambda: HolderFactory(client))
    assert relays.error == ""
    return relays


def random_switches(generator: random.Random) -> Iterator[tuple[int, bool]]:
    """Yield stacks and whether to switch them on, without end."""
    while True:
        yield generator.choice(RACK.stacks).number, generator.random() < _HALF


def _switch_until_killed(socket: Path, database: Path, seed: int) -> None:
    relays = claim_relays(HolderClient(socket), Database(database))
    for stack, is_on in random_switches(random.Random(seed)):
        relays.switch({stack: is_on})


@contextmanager
def running_holder(folder: Path, *, persists: bool) -> Iterator[HolderMachine]:
    """Run the unit of the holder on lines of a kernel that does or does not persist outputs."""
    if not Path(_PYTHON).exists():
        pytest.skip(f"{_PYTHON} is not installed")
    with running_systemd(folder) as machine:
        for source in (
            "rack/__init__.py",
            "rack/clock.py",
            "rack/errors.py",
            "rack/gpio",
            "tests/helpers",
        ):
            target = machine.path(f"{_FOLDER}/{source}")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target)
        machine.output_of("groupadd", "--system", "--force", "gpio")
        machine.output_of("useradd", "--system", "--user-group", "pirack")
        unit = (ROOT / "deploy" / "master" / f"{HOLDER}.service").read_text()
        release = "/opt/pirack/current/.venv/bin/python -I -m rack.gpio"
        assert release in unit
        folder_of_units = "/etc/systemd/system"
        machine.write(
            f"{folder_of_units}/{HOLDER}.service",
            unit.replace(release, f"{_PROGRAM} holder /run/simulation/chip"),
        )
        machine.write(f"{folder_of_units}/{HOLDER}.service.d/simulation.conf", _DROP_IN)
        options = "--persists" if persists else ""
        machine.write(
            f"{folder_of_units}/{_KERNEL}.service", _KERNEL_UNIT.format(options=options) + _DROP_IN
        )
        machine.output_of("systemctl", "daemon-reload")
        machine.output_of("systemctl", "start", _KERNEL)
        wait_until(machine.path("/run/simulation/chip").exists)
        machine.output_of("systemctl", "start", HOLDER)
        holder_machine = HolderMachine(machine, folder)
        try:
            yield holder_machine
        finally:
            holder_machine.close()
