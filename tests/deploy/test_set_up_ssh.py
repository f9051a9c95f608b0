"""`deploy.set_up_ssh` with a real OpenSSH server and client, and a fake systemctl."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from exporter.aliases import DEFAULT_PATH
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.openssh_servers import (
    NAMESPACE_COMMAND,
    create_host_key,
    loopback_prefix,
    skip_unless_sshd_can_run,
)
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import free_port, wait_until
from tools.programs import find

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress {address}:{port}
UsePAM no
StrictModes no
PermitRootLogin {permit}
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin {environment}
PidFile {folder}/sshd.pid
"""


@dataclass
class SshSetup:
    """A master, and a rasp that accepts the key of a user."""

    folder: Path
    permit: str = "prohibit-password"
    environment: str = ""
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.rasp = Rasp(1, 1, "b8:27:eb:00:01:01", IPv4Address(f"{loopback_prefix()}.9.1"))
        self.root_home = self.folder / "root"
        self.authorized_keys = self.root_home / ".ssh" / "authorized_keys"
        self.drop_in = self.folder / "etc_ssh" / "sshd_config.d" / "pirack.conf"
        self.exporter = self.folder / "usr_local_bin" / "pirack-exporter"

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "SUDO_USER"}
        return subprocess.run(
            [
                *(sys.executable, "-m", "deploy.set_up_ssh"),
                *(
                    "--rack",
                    f"{self.folder}/rack.toml",
                    "--db",
                    f"{self.folder}/pirack.db",
                    *arguments,
                ),
            ],
            cwd=ROOT,
            env=environment | {"PATH": f"{self.folder}/client:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def write_files(ssh_setup: SshSetup) -> None:
    """Write the files of the master and of the rasp, and a key for root."""
    ssh = find("ssh")
    folder = ssh_setup.folder
    (folder / "rack.toml").write_text(layout_text(network={"ssh_port": ssh_setup.port}))
    Inventory(Database(folder / "pirack.db")).replace([ssh_setup.rasp])
    own_key = create_host_key(folder, "own_key")
    key = create_host_key(folder, "ssh_host_ed25519_key")
    (folder / "ssh_config").write_text(
        f"User root\nIdentityFile {own_key}\nUserKnownHostsFile {folder}/own_known_hosts\n"
    )
    public = key.with_suffix(".pub").read_text()
    (folder / "own_known_hosts").write_text(f"[{ssh_setup.rasp.address}]:{ssh_setup.port} {public}")
    libraries = ssh.extra_environment.get("LD_LIBRARY_PATH", "")
    write_program(
        folder / "client" / "ssh",
        f'export LD_LIBRARY_PATH={libraries}\nexec {ssh.path} -F {folder}/ssh_config "$@"',
    )
    ssh_setup.authorized_keys.parent.mkdir(parents=True)
    ssh_setup.authorized_keys.write_text(own_key.with_suffix(".pub").read_text())
    etc = folder / "etc_ssh"
    (etc / "sshd_config.d").mkdir(parents=True)
    for file in (key, key.with_suffix(".pub")):
        file.rename(etc / file.name)
    (etc / "sshd_config").write_text(
        SSHD_CONFIG.format(
            address=ssh_setup.rasp.address,
            port=ssh_setup.port,
            permit=ssh_setup.permit,
            folder=folder,
            environment=ssh_setup.environment,
        )
    )


def start_sshd(ssh_setup: SshSetup) -> subprocess.Popen[bytes]:
    """Start the SSH server of the rasp with its own /etc, /run and /usr/local/bin."""
    sshd = find("sshd")
    folder = ssh_setup.folder
    libraries = sshd.extra_environment.get("LD_LIBRARY_PATH", "")
    server = f"LD_LIBRARY_PATH={libraries} exec {sshd.path}"
    write_program(folder / "bin" / "sshd", f'{server} "$@"')
    write_program(
        folder / "bin" / "systemctl",
        f'[ "$*" = "reload ssh" ] && kill -HUP "$(cat {folder}/sshd.pid)"',
    )
    (folder / "passwd").write_text(
        f"root:x:0:0::{ssh_setup.root_home}:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/false\n"
    )
    write_program(ssh_setup.exporter, f'cd {ROOT} && exec {sys.executable} -m exporter "$@"')
    (folder / "etc" / "ssh").mkdir(parents=True)
    (folder / "etc" / "pirack").mkdir()
    (folder / "etc" / "pirack" / "aliases.ini").write_bytes(DEFAULT_PATH.read_bytes())
    script = f"""
        set -e
        mount -t overlay overlay -o lowerdir={folder}/etc:/etc /etc
        mount --bind {shlex.quote(str(folder / "passwd"))} /etc/passwd
        mount --bind {folder}/etc_ssh /etc/ssh
        mount -t tmpfs tmpfs /run
        mkdir -m 755 /run/sshd
        mount --bind {ssh_setup.exporter.parent} /usr/local/bin
        {server} -D -E {folder}/sshd.log
    """
    process = subprocess.Popen([*NAMESPACE_COMMAND, "sh", "-c", script], stdin=subprocess.DEVNULL)
    wait_until(lambda: (folder / "sshd.log").exists() and "Server listening" in ssh_setup.log)
    return process


@pytest.fixture
def ssh_setup(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SshSetup]:
    skip_unless_sshd_can_run()
    setup = SshSetup(tmp_path, **getattr(request, "param", {}))
    write_files(setup)
    process = start_sshd(setup)
    yield setup
    process.kill()
    process.wait()


def read_lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_setup_is_idempotent(ssh_setup: SshSetup) -> None:
    previous = read_lines(ssh_setup.authorized_keys)
    for _ in range(2):
        completed = ssh_setup.run()
        assert (completed.returncode, completed.stdout) == (0, "01-1  ok\n")
        assert (
            completed.stderr
            == "01-1: you logged in as root: PermitRootLogin stays without-password\n"
        )
        assert read_lines(ssh_setup.authorized_keys) == [
            *previous,
            MasterKey(ssh_setup.folder / "ssh").authorized_keys_line(),
        ]
    assert not ssh_setup.drop_in.exists()
    (pinned,) = HostKeys(ssh_setup.folder / "ssh", ssh_setup.port).for_address(
        ssh_setup.rasp.address
    )
    public_key = ssh_setup.folder / "etc_ssh" / "ssh_host_ed25519_key.pub"
    assert pinned.key == asyncssh.read_public_key(str(public_key))


@pytest.mark.parametrize("ssh_setup", [{"environment": "SUDO_USER=anna"}], indirect=True)
def test_setup_with_sudo_limits_root_to_forced_commands(ssh_setup: SshSetup) -> None:
    completed = ssh_setup.run()
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "01-1  ok\n", "")
    assert read_lines(ssh_setup.drop_in) == ["PermitRootLogin forced-commands-only"]
    assert "Received SIGHUP" in ssh_setup.log
    completed = ssh_setup.run()  # root's own key is rejected now
    assert (completed.returncode, completed.stdout.partition("  ")[0]) == (1, "01-1")
    wait_until(lambda: "ROOT LOGIN REFUSED" in ssh_setup.log)


def test_key_of_previous_master_is_replaced(ssh_setup: SshSetup) -> None:
    previous = read_lines(ssh_setup.authorized_keys)
    previous_master = MasterKey(ssh_setup.folder / "previous")
    previous_master.create()
    with ssh_setup.authorized_keys.open("a") as file:
        file.write(f"{previous_master.authorized_keys_line()}\n# a comment\n")
    assert ssh_setup.run("1/1").returncode == 0
    assert read_lines(ssh_setup.authorized_keys) == [
        *previous,
        "# a comment",
        MasterKey(ssh_setup.folder / "ssh").authorized_keys_line(),
    ]


def test_errors_are_reported_for_each_rasp(ssh_setup: SshSetup) -> None:
    unreachable = Rasp(1, 2, "b8:27:eb:00:01:02", IPv4Address(f"{loopback_prefix()}.9.2"))
    Inventory(Database(ssh_setup.folder / "pirack.db")).replace([ssh_setup.rasp, unreachable])
    ssh_setup.exporter.rename(ssh_setup.exporter.with_name("elsewhere"))
    completed = ssh_setup.run()
    assert completed.returncode == 1
    first, second = completed.stdout.splitlines()
    assert first.startswith("01-1  failed  the login succeeds, but the exporter does not run (")
    assert first.endswith("not found): run `pirack deploy`")
    assert re.fullmatch(r"01-2  failed  ssh: .* Connection refused", second)
    ssh_setup.exporter.with_name("elsewhere").rename(ssh_setup.exporter)
    other = asyncssh.read_public_key(
        str(create_host_key(ssh_setup.folder, "other").with_suffix(".pub"))
    )
    HostKeys(ssh_setup.folder / "ssh", ssh_setup.port).replace_keys({ssh_setup.rasp: other})
    completed = ssh_setup.run("1/1")
    assert completed.stdout.startswith(
        "01-1  failed  the host key differs from the pinned one: if the"
    )
    assert (
        ssh_setup.run("2").stderr == "deploy.set_up_ssh: no stack 2: this rack has stacks 1 to 1\n"
    )
