"""The first boot of a card, with the real cloud-init, systemd and OpenSSH in a machine of its own.

Only the image is simulated: this machine with accounts, host keys and units as on Raspberry Pi OS.
"""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from cli.card.contents import KERNEL_ARGUMENTS
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import ActionResult, SshPool
from deploy import make_pyz
from exporter.aliases import DEFAULT_PATH
from rack.inventory import Rasp
from tests.cli.card.stock_images import BOOKWORM, BOOKWORM_CMDLINE, TRIXIE
from tests.helpers.forked_program import run_program
from tests.helpers.systemd_machine import SystemdMachine, running_systemd
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tools.debian_packages import DebianPackages
from tools.programs import TOOLS_FOLDER
from virtual_rack.network_namespace import NamespaceThread

pytestmark = [pytest.mark.process, pytest.mark.verify]

BOOT = "/boot/firmware"
ADDRESS = "10.23.3.2"
ALIASES = f"{DEFAULT_PATH.read_text()}\nhello = echo hello from $(id -un)\n"
PASSWORD = "raspberry"
# As in https://github.com/RPi-Distro/pi-gen, stage2/04-cloud-init. Debian 12 needs the last slash.
CLOUD_CFG = """\
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware/
ssh_deletekeys: false
ssh_genkeytypes: []
locale: C.UTF-8
"""
# The dialog waits for input, and multi-user.target waits for the dialog.
USERCONFIG = """\
[Service]
Type=oneshot
ExecStart=sleep infinity
[Install]
WantedBy=multi-user.target
"""
PREPARE_SCRIPT = f"""
set -e
ip address add {ADDRESS}/16 dev lo
systemctl start systemd-user-sessions
cp /usr/share/openssh/sshd_config /etc/ssh/sshd_config
mkdir -p /etc/ssh/sshd_config.d
echo 'Banner /usr/share/userconf-pi/sshd_banner' > /etc/ssh/sshd_config.d/rename_user.conf
id sshd || useradd --system --home-dir /run/sshd --shell /usr/sbin/nologin sshd
useradd --create-home anna
echo anna:{PASSWORD} | chpasswd
passwd --delete root
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /root/own_key
systemctl daemon-reload
systemctl enable userconfig
systemctl disable ssh || true
"""
SCRAPE = f"import urllib.request as u; print(u.urlopen('http://{ADDRESS}:9849/metrics').read())"
CHANGED_FILES = "/etc/ssh /etc/machine-id /etc/pirack /etc/shadow /etc/systemd/system /root/.ssh"


class Pi:
    """A machine with the files of a stock image, and with SSH access to itself."""

    def __init__(self, machine: SystemdMachine, folder: Path) -> None:
        self.machine = machine
        self._folder = folder
        packages = DebianPackages(TOOLS_FOLDER)
        for package in ("openssh-server", "cloud-init", "sudo"):
            self._unpack(packages.unpack(package))
        machine.write("/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg", CLOUD_CFG)
        machine.write("/etc/systemd/system/userconfig.service", USERCONFIG)
        machine.output_of("sh", "-c", PREPARE_SCRIPT)
        self.image_key, self.image_id = self.host_key(), self.machine_id()
        make_pyz.make(folder / "exporter.pyz")
        MasterKey(folder).create()
        machine.write("/root/master_key", (folder / "id_ed25519").read_bytes(), mode=0o600)

    def prepare_card(self, stock: dict[str, str], aliases: str = ALIASES) -> None:
        """Run `pirack card` for the boot partition, which first contains the files of an image."""
        for name, content in stock.items():
            self.machine.write(f"{BOOT}/{name}", content)
        (self._folder / "aliases.ini").write_text(aliases)
        (self._folder / "own.pub").write_text(self.machine.output_of("cat", "/root/own_key.pub"))
        options = {
            "--key": self._folder / "id_ed25519.pub",
            "--login-key": self._folder / "own.pub",
            "--exporter": self._folder / "exporter.pyz",
            "--aliases": self._folder / "aliases.ini",
            "--rack": Path("rack.toml").absolute(),
        }
        arguments = [str(word) for option in options.items() for word in option]
        completed = run_program(
            "cli",
            ["card", str(self.machine.path(BOOT)), *arguments],
            environment={"HOME": str(self._folder), "PATH": "/usr/bin:/bin"},
        )
        assert completed.returncode == 0, completed.stderr
        # On a FAT partition, all files are executable.
        self.machine.output_of("chmod", "--recursive", "a+x", BOOT)

    def host_key(self) -> str:
        return self.machine.output_of("cat", "/etc/ssh/ssh_host_ed25519_key.pub")

    def machine_id(self) -> str:
        return self.machine.output_of("cat", "/etc/machine-id")

    def installed_files(self) -> str:
        """Return the hashes of all files that the card may have changed."""
        find_command = (
            f"find {CHANGED_FILES} -type f -exec sha256sum {{}} + ; ls -lR {CHANGED_FILES}"
        )
        return self.machine.output_of("sh", "-c", find_command)

    def ssh(self, user: str, key: str, *command: str) -> subprocess.CompletedProcess[str]:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/root/known")
        arguments = [word for option in options for word in ("-o", option)]
        return self.machine.run(
            "ssh", "-F", "none", "-i", f"/root/{key}", *arguments, f"{user}@{ADDRESS}", *command
        )

    def run_as_controller(self, action: str) -> tuple[PinResult, ActionResult]:
        """Pin the host key, as at the end of an install, and run an action, as for an order."""
        rasp = Rasp(3, 2, "b8:27:eb:00:00:0a", IPv4Address(ADDRESS))
        results = []

        async def run_action() -> ActionResult:
            ssh = SshPool(self._folder)
            try:
                return await ssh.run(rasp.address, action, timeout=TIMEOUT_SECONDS)
            finally:
                await ssh.close()

        def run() -> None:
            pinned = HostKeys(self._folder, 22).fetch_and_pin([rasp])[rasp]
            results.append((pinned, asyncio.run(run_action())))

        NamespaceThread().run_inside(self.machine.path("/proc/1/ns/net"), run)
        return results[0]

    def install_log(self) -> str:
        return self.machine.run("cat", f"{BOOT}/pirack/install.log").stdout

    def _unpack(self, tree: Path) -> None:
        pack = subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(
            ["tar", "-C", self.machine.path("/"), "--keep-directory-symlink", "-x"],
            stdin=pack.stdout, check=True, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        assert pack.stdout is not None
        pack.stdout.close()
        assert pack.wait() == 0


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Pi]:
    with running_systemd(tmp_path) as machine:
        yield Pi(machine, tmp_path)


def assert_is_a_rasp(pi: Pi) -> None:
    """Check what a card promises: the exporter, the actions of the master, and no other login."""
    machine = pi.machine
    wait_until(lambda: machine.run("/usr/bin/python3", "-c", SCRAPE).returncode == 0)
    assert "pirack_up 1" in machine.output_of("/usr/bin/python3", "-c", SCRAPE)
    wait_until(lambda: pi.ssh("root", "master_key", "hello").returncode == 0)
    pinned, result = pi.run_as_controller("hello")
    assert pinned in {PinResult.PINNED, PinResult.UNCHANGED}
    assert (result.exit_status, result.output) == (0, "hello from root\n")
    refused = pi.ssh("root", "master_key", "id")
    assert (refused.returncode, refused.stdout) == (126, "")
    assert "unknown action" in refused.stderr
    assert "Permission denied" in pi.ssh("root", "own_key", "id").stderr
    sudo = pi.ssh("pi", "own_key", "sudo", "--non-interactive", "id", "-un")
    assert (sudo.stdout, sudo.returncode) == ("root\n", 0), sudo.stderr
    assert "Permission denied" in pi.ssh("pi", "master_key", "id").stderr
    settings = machine.output_of("sshd", "-T")
    assert "permitrootlogin forced-commands-only\n" in settings
    assert "banner none\n" in settings
    for line in machine.output_of("cat", "/etc/shadow").splitlines():
        assert re.match(r"[^:]+:[!*]", line), line
    assert pi.host_key() != pi.image_key
    assert pi.machine_id() != pi.image_id
    assert machine.run("systemctl", "is-enabled", "userconfig").stdout == "disabled\n"
    for unit in ("ssh", "pirack-exporter"):
        assert machine.output_of("systemctl", "is-enabled", unit) == "enabled\n"


def boot_with_cloud_init(machine: SystemdMachine) -> None:
    """Run the stages of cloud-init before multi-user.target, which the dialog blocks."""
    # At a boot, no service runs or restarts, and no start has failed.
    machine.run("systemctl", "stop", "ssh", "pirack-exporter")
    machine.output_of("systemctl", "reset-failed")
    machine.output_of("systemctl", "start", "--no-block", "userconfig")
    for unit in ("cloud-init-local", "cloud-init", "cloud-config"):
        machine.output_of("systemctl", "restart", unit)


def errors_of_cloud_init(machine: SystemdMachine) -> list[str]:
    status = json.loads(machine.output_of("cat", "/run/cloud-init/status.json"))["v1"]
    assert status["init-local"]["finished"]
    return [
        error for stage in status.values() if isinstance(stage, dict) for error in stage["errors"]
    ]


def test_cloud_init_makes_a_stock_pi_a_rasp(pi: Pi) -> None:
    pi.prepare_card(TRIXIE)
    boot_with_cloud_init(pi.machine)
    assert errors_of_cloud_init(pi.machine) == []
    assert_is_a_rasp(pi)
    assert pi.machine.run("getent", "passwd", "debian").stdout == ""
    assert pi.machine.run("systemctl", "is-active", "userconfig").stdout != "activating\n"
    first = pi.installed_files()
    boot_with_cloud_init(pi.machine)
    assert pi.installed_files() == first
    key = pi.host_key()
    pi.prepare_card({}, aliases=f"{ALIASES}more = echo more\n")
    boot_with_cloud_init(pi.machine)
    assert "more = echo more" in pi.machine.output_of("cat", "/etc/pirack/aliases.ini")
    assert pi.host_key() == key
    assert_is_a_rasp(pi)


def test_interrupted_installation_is_repeated_at_the_next_boot(pi: Pi) -> None:
    pi.machine.write("/usr/local/sbin/ssh-keygen", "#!/bin/sh\nexit 1\n", mode=0o755)
    pi.prepare_card(TRIXIE)
    pi.machine.run("systemctl", "start", "cloud-init-local")
    assert pi.machine.run("ls", "/usr/local/bin/pirack-exporter").returncode == 0
    assert pi.machine.run("ls", "/etc/pirack/card.id").returncode != 0
    pi.machine.output_of("rm", "/usr/local/sbin/ssh-keygen")
    boot_with_cloud_init(pi.machine)
    assert_is_a_rasp(pi)


def test_firstrun_makes_a_stock_pi_a_rasp(pi: Pi) -> None:
    machine = pi.machine
    pi.prepare_card(BOOKWORM)
    cmdline = machine.output_of("cat", f"{BOOT}/cmdline.txt")
    machine.output_of(
        "env", f"SYSTEMD_PROC_CMDLINE={cmdline.strip()}",
        "/lib/systemd/system-generators/systemd-run-generator",
        "/run/systemd/system", "/run/systemd/system", "/run/systemd/system",
    )  # fmt: skip
    service = machine.output_of("cat", "/run/systemd/system/kernel-command-line.service")
    assert f"ExecStart={BOOT}/firstrun.sh\n" in service
    assert "SuccessAction=reboot\n" in service
    machine.write(
        "/run/systemd/system/kernel-command-line.service",
        service.replace("SuccessAction=reboot", "SuccessAction=none"),
    )
    machine.output_of("systemctl", "daemon-reload")
    machine.output_of("systemctl", "start", "kernel-command-line.service")
    assert machine.output_of("cat", f"{BOOT}/cmdline.txt") == BOOKWORM_CMDLINE, pi.install_log()
    first = pi.installed_files()
    # If the power failed before cmdline.txt was written, the script runs again.
    machine.write(f"{BOOT}/cmdline.txt", f"{BOOKWORM_CMDLINE.strip()} {KERNEL_ARGUMENTS}\n")
    machine.output_of("systemctl", "start", "kernel-command-line.service")
    assert machine.output_of("cat", f"{BOOT}/cmdline.txt") == BOOKWORM_CMDLINE
    assert pi.installed_files() == first
    # The reboot starts the enabled units.
    machine.output_of("systemctl", "start", "ssh", "pirack-exporter")
    assert_is_a_rasp(pi)


def test_failed_installation_is_logged_on_the_boot_partition(pi: Pi) -> None:
    pi.prepare_card(BOOKWORM)
    pi.machine.write(f"{BOOT}/pirack/pirack-exporter.pyz", b"no archive")
    pi.machine.output_of(f"{BOOT}/firstrun.sh")
    assert "no archive" in pi.install_log() or "pirack-exporter.pyz" in pi.install_log()
    assert pi.machine.output_of("cat", f"{BOOT}/cmdline.txt") == BOOKWORM_CMDLINE
    assert pi.host_key() == pi.image_key
    assert pi.machine.run("ls", "/etc/pirack").returncode != 0
