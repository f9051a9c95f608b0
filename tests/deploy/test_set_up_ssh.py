"""`deploy.set_up_ssh` with a real OpenSSH server and client, and a fake systemctl."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
from tests.helpers.forked_program import run_program
from tests.helpers.layouts import layout_text
from tests.helpers.users import (
    OTHER_USER,
    Victim,
    folder_of_other_user,
    give_to_other_user,
    python_for_every_user,
)
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tools.programs import find

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress {address}:{port}
UsePAM no
StrictModes no
TrustedUserCAKeys {folder}/user_ca.pub
PermitRootLogin {permit}
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin {environment}
PidFile {folder}/sshd.pid
"""


@dataclass
class SshSetup:
    """A master, and a rasp that accepts the key or, if root has no key, a certificate of a user."""

    folder: Path
    permit: str = "prohibit-password"
    environment: str = ""
    has_root_key: bool = True
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
        return run_program(
            "deploy.set_up_ssh", self._arguments(arguments), environment=self._environment
        )

    def run_for_other_user(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run with a Python that can import modules with the rights of another user."""
        python, variables = python_for_every_user()
        return subprocess.run(
            [python, "-m", "deploy.set_up_ssh", *self._arguments(arguments)],
            cwd=ROOT,
            env=self._environment | variables,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def _arguments(self, arguments: Sequence[str]) -> list[str]:
        files = ["--rack", f"{self.folder}/rack.toml", "--db", f"{self.folder}/pirack.db"]
        return [*files, *arguments]

    @property
    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "SUDO_USER"}
        return inherited | {
            "PATH": f"{self.folder}/client:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def can_log_in(self, key: Path) -> bool:
        """Return whether root can log in to the rasp with a key and run a command."""
        ssh = find("ssh")
        completed = subprocess.run(
            [
                *(ssh.path, "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
                *("-i", key, "-o", f"UserKnownHostsFile={self.folder}/own_known_hosts"),
                *("-p", str(self.port), f"root@{self.rasp.address}", "echo", "logged in"),
            ],
            env=ssh.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return completed.stdout == "logged in\n"


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
    ca_key = asyncssh.generate_private_key("ssh-ed25519")
    ca_key.write_public_key(folder / "user_ca.pub")
    if ssh_setup.has_root_key:
        ssh_setup.authorized_keys.write_text(own_key.with_suffix(".pub").read_text())
    else:
        certificate = ca_key.generate_user_certificate(
            asyncssh.read_private_key(str(own_key)), "anna", principals=["root"]
        )
        certificate.write_certificate(folder / "own_key-cert.pub")
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
        f'[ "$*" = "try-reload-or-restart ssh" ] && kill -HUP "$(cat {folder}/sshd.pid)"',
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


OTHER_LINES = {
    "Latin-1 comment": b"ssh-rsa AAAAADMIN2 m\xfcller@b\xfcro\n",
    "NUL bytes after a crash": b"# half\0\0\0\0",
    "CRLF": b"ssh-ed25519 AAAAADMIN3 bert@lab\r\n\r\n",
    "comment with the forced command": (
        b'# restrict,command="/usr/local/bin/pirack-exporter action --aliases a" KEY\n'
    ),
    "no final newline": b"ssh-ed25519 AAAAADMIN4 last",
}


@pytest.mark.parametrize("other", OTHER_LINES.values(), ids=OTHER_LINES)
def test_other_keys_keep_their_bytes_and_log_in(ssh_setup: SshSetup, other: bytes) -> None:
    admin_key = create_host_key(ssh_setup.folder, "admin_key")
    keys = ssh_setup.authorized_keys
    keys.write_bytes(admin_key.with_suffix(".pub").read_bytes() + keys.read_bytes() + other)
    keys.chmod(0o640)
    previous = keys.read_bytes()
    completed = ssh_setup.run()
    assert (completed.returncode, completed.stdout) == (0, "01-1  ok\n")
    line = MasterKey(ssh_setup.folder / "ssh").authorized_keys_line().encode()
    assert keys.read_bytes() == previous.removesuffix(b"\n") + b"\n" + line + b"\n"
    assert keys.stat().st_mode & 0o777 == 0o640
    for key in (admin_key, ssh_setup.folder / "own_key"):
        assert ssh_setup.can_log_in(key)
    assert [file.name for file in keys.parent.iterdir()] == ["authorized_keys"]


def test_linked_authorized_keys_stay_a_link(ssh_setup: SshSetup) -> None:
    target = ssh_setup.root_home / "shared_keys"
    ssh_setup.authorized_keys.rename(target)
    ssh_setup.authorized_keys.symlink_to("../shared_keys")
    assert ssh_setup.run().returncode == 0
    assert ssh_setup.authorized_keys.is_symlink()
    assert len(read_lines(target)) == 2


def test_unreadable_sshd_configuration_is_reported(ssh_setup: SshSetup) -> None:
    with (ssh_setup.folder / "etc_ssh" / "sshd_config").open("a") as file:
        file.write("NoSuchOption yes\n")
    completed = ssh_setup.run()
    assert completed.returncode == 1
    assert re.match(r"01-1  failed  `sshd -T`: .*terminating, 1 bad", completed.stdout)


@pytest.mark.parametrize(
    "ssh_setup", [{"environment": "SUDO_USER=anna", "has_root_key": False}], indirect=True
)
def test_setup_with_sudo_limits_root_without_other_keys_to_forced_commands(
    ssh_setup: SshSetup,
) -> None:
    completed = ssh_setup.run()
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "01-1  ok\n", "")
    assert read_lines(ssh_setup.drop_in) == ["PermitRootLogin forced-commands-only"]
    assert "Received SIGHUP" in ssh_setup.log
    completed = ssh_setup.run()  # the certificate is rejected now
    assert (completed.returncode, completed.stdout.partition("  ")[0]) == (1, "01-1")
    wait_until(lambda: "ROOT LOGIN REFUSED" in ssh_setup.log)


@pytest.mark.parametrize(
    ("ssh_setup", "permitted"),
    [
        ({"environment": "SUDO_USER=anna"}, "without-password"),
        ({"environment": "SUDO_USER=anna", "permit": "yes", "has_root_key": False}, "yes"),
    ],
    indirect=["ssh_setup"],
)
def test_setup_with_sudo_keeps_other_logins_of_root(ssh_setup: SshSetup, permitted: str) -> None:
    completed = ssh_setup.run()
    assert (completed.returncode, completed.stdout) == (0, "01-1  ok\n")
    assert completed.stderr == (
        f"01-1: other logins of root exist: PermitRootLogin stays {permitted}\n"
    )
    assert not ssh_setup.drop_in.exists()
    assert ssh_setup.can_log_in(ssh_setup.folder / "own_key")


@pytest.fixture
def state_folder(ssh_setup: SshSetup) -> Iterator[Path]:
    """Return the folder of a controller that runs as another user, with the inventory."""
    with folder_of_other_user() as folder:
        Inventory(Database(folder / "pirack.db")).replace([ssh_setup.rasp])
        give_to_other_user(*folder.iterdir())
        yield folder


def test_files_of_the_controller_keep_their_owner(ssh_setup: SshSetup, state_folder: Path) -> None:
    completed = ssh_setup.run_for_other_user("--db", str(state_folder / "pirack.db"))
    assert (completed.returncode, completed.stdout) == (0, "01-1  ok\n"), completed.stdout
    files = [*state_folder.iterdir(), *(state_folder / "ssh").iterdir()]
    assert {"known_hosts", "id_ed25519"} <= {file.name for file in files}
    assert {file.stat().st_uid for file in files} == {OTHER_USER.pw_uid}


def test_root_does_not_follow_a_link_of_the_controllers_user(
    ssh_setup: SshSetup, state_folder: Path
) -> None:
    victim = Victim(state_folder.parent)
    ssh = state_folder / "ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "known_hosts").symlink_to(victim.path)
    give_to_other_user(ssh, ssh / "known_hosts")
    completed = ssh_setup.run_for_other_user("--db", str(state_folder / "pirack.db"))
    assert completed.returncode == 1
    assert "known_hosts cannot be read" in completed.stdout
    assert victim.is_unchanged
    assert (ssh / "known_hosts").is_symlink()


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
    assert ssh_setup.run("2").stderr.startswith(
        "deploy.set_up_ssh: no stack 2: this rack has stacks 1 to 1"
    )
