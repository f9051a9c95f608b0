"""A machine with systemd on which a checkout can be installed as a master."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.release import CHECKOUT, IGNORED_NAMES, RELEASE_CONTENTS
from tests.helpers.systemd_machine import SystemdMachine, running_systemd
from tests.helpers.waiting import wait_until
from tools.programs import find

CHECKOUT_PATH = "/root/pirack"

_HEALTH_CHECK = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=10)"
_SIMULATION = "/srv/simulation"
_SIMULATED_GPIO = f"""WorkingDirectory={_SIMULATION}
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart="""
_KERNEL_UNIT = f"""[Service]
Type=exec
RuntimeDirectory=simulation
UMask=0000
{_SIMULATED_GPIO}/usr/bin/python3 -m tests.helpers.simulated_gpio kernel /run/simulation/chip \\
    --log /run/simulation/changes
"""
_HOLDER_DROP_IN = f"""[Service]
ExecStart=
{_SIMULATED_GPIO}/usr/bin/python3 -m tests.helpers.simulated_gpio holder /run/simulation/chip
"""
_CHANGED_FOLDERS = ("/etc", "/opt", "/usr/local", "/var/lib/pirack", "/var/lib/dpkg")
_FILES_OF_CONTROLLER = "/var/lib/pirack/(pirack[.]db.*|targets/.*)"  # change while it runs


class MasterMachine(SystemdMachine):
    """A machine with a checkout at `CHECKOUT_PATH`."""

    def install(self, checkout: str = CHECKOUT_PATH) -> subprocess.CompletedProcess[str]:
        return self.run(self.python, "-m", "deploy.install_master", folder=checkout)

    @property
    def python(self) -> str:
        """Path of a python3 that every user may run."""
        for folder in ("/usr/bin", "/usr/local/bin"):
            if Path(folder, "python3").exists():
                return f"{folder}/python3"
        pytest.skip("no system python3")

    def copy_checkout(self, target: str = CHECKOUT_PATH) -> None:
        """Copy this checkout, without files that an installation does not use."""
        for name in RELEASE_CONTENTS:
            source, copy = CHECKOUT / name, self.path(target) / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*IGNORED_NAMES))
            else:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)

    def wait_for_controller(self) -> None:
        """Wait until the controller serves requests."""
        wait_until(lambda: self.run(self.python, "-c", _HEALTH_CHECK).returncode == 0)

    def connect_rasp(self, mac: str) -> None:
        """Connect `eth0` with the address of the master to the network card of a rasp."""
        for command in (
            f"link add eth0 type veth peer name rasp address {mac}",
            "address add 10.23.0.1/16 dev eth0",
            "link set eth0 up",
            "link set rasp up",
        ):
            self.output_of("ip", *command.split())

    def leased_address(self) -> str:
        """Return the address that the DHCP server leases to the connected rasp, or ""."""
        client = (*find("udhcpc").command, "-i", "rasp", "-f", "-n", "-q", "-s", "/bin/true")
        completed = self.run(*client)
        match = re.search(r"lease of (\S+) obtained", completed.stdout + completed.stderr)
        return match[1] if match else ""

    def simulate_relays(self) -> None:
        """Let the holder of the relays use simulated pins, which a released output leaves."""
        for source in ("rack", "tests/helpers"):
            target = self.path(_SIMULATION) / source
            shutil.copytree(CHECKOUT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        self.write("/etc/systemd/system/simulated-kernel.service", _KERNEL_UNIT)
        self.write("/etc/systemd/system/pirack-relays.service.d/simulation.conf", _HOLDER_DROP_IN)
        self.output_of("systemctl", "daemon-reload")
        self.output_of("systemctl", "start", "simulated-kernel")
        wait_until(self.path("/run/simulation/chip").exists)

    def pin_changes(self) -> list[str]:
        """Return the number and the new state of each simulated pin that has changed."""
        log = self.path("/run/simulation/changes")
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines]

    def configure_rack(self) -> None:
        """Edit rack.toml, so that it is not the example."""
        layout = self.path("/etc/pirack/rack.toml")
        layout.write_text(layout.read_text().replace('name = "pirack"', 'name = "room-5"'))

    def list_files(self) -> dict[str, str]:
        """Return the attributes of the files that an installation may change, by path."""
        folders = (folder for folder in _CHANGED_FOLDERS if self.path(folder).exists())
        output = self.output_of(
            *("find", *folders, "-regextype", "posix-extended", "-type", "f,l"),
            *("-not", "-regex", _FILES_OF_CONTROLLER, "-printf", r"%p\t%M %n %u %g %s %l\n"),
        )
        return dict(line.split("\t", 1) for line in output.splitlines())


@contextmanager
def running_machine(folder: Path) -> Iterator[MasterMachine]:
    """Run a machine with the journal, D-Bus and an uplink until the end of the block."""
    if shutil.which("apt-get") is None:
        pytest.skip("a master requires Debian")
    with running_systemd(folder, has_uplink=True) as systemd:
        machine = MasterMachine(systemd.pid)
        machine.copy_checkout()
        # D-Bus starts polkit, which decides about requests of the controller.
        machine.output_of("systemctl", "start", "systemd-journald", "dbus")
        yield machine


@contextmanager
def installed_master(folder: Path) -> Iterator[MasterMachine]:
    """Run a machine on which the script ran once. Skip the test without a package index."""
    with running_machine(folder) as machine:
        completed = machine.install()
        last = completed.stderr.strip().splitlines()[-1]
        if completed.returncode == 2 and ("apt-get" in last or "make_venv" in last):
            pytest.skip(f"packages are not available: {last}")
        assert completed.returncode == 0, completed.stderr
        assert last == "Describe your rack in /etc/pirack/rack.toml, then run this command again"
        yield machine
