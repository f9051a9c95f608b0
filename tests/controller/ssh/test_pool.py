"""Actions over SSH on real OpenSSH servers with the real forced command."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import psutil
import pytest
from click.testing import CliRunner, Result

from controller.__main__ import controller
from controller.audit import Audit
from controller.errors import ConnectionLostError, HostKeyError, KeyRejectedError, UnreachableError
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import MAX_OUTPUT_BYTES, ActionResult, SshPool
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.openssh_servers import create_host_key, loopback_prefix, running_sshds
from tests.helpers.descendants import find_descendants
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until
from tools.programs import find

pytestmark = pytest.mark.process

ALIASES = """
[stack]
a = echo 1
[actions]
greet = echo hello; echo world >&2
fail = exit 7
long = head -c 1000000 /dev/zero | tr '\\0' x; exit 3
nap = echo started >> {folder}/naps; sleep 9
"""
ROOT = Path(__file__).parents[3]


@dataclass
class SshRasps:
    """Six rasps with SSH servers, and the SSH files of the master."""

    folder: Path
    port: int
    rasps: list[Rasp] = field(default_factory=list)

    @property
    def ssh_folder(self) -> Path:
        return self.folder / "ssh"

    def log(self, rasp: Rasp) -> str:
        return (self.folder / f"sshd_{rasp.address}.log").read_text()

    def count_logins(self, rasp: Rasp) -> int:
        return self.log(rasp).count("Accepted publickey for root")

    @property
    def sessions(self) -> list[psutil.Process]:
        """Child processes of sshd for open sessions."""
        return find_descendants(
            psutil.Process(),
            lambda process: process.name() == "sshd" and "@notty" in " ".join(process.cmdline()),
        )


@pytest.fixture(scope="module")
def rasps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshRasps]:
    folder = tmp_path_factory.mktemp("rasps")
    inventory = [
        Rasp(1, slot, f"b8:27:eb:00:01:{slot:02x}", IPv4Address(f"{loopback_prefix()}.1.{slot}"))
        for slot in range(1, 7)
    ]
    rasps = SshRasps(folder, free_port(), inventory)
    key = MasterKey(rasps.ssh_folder)
    key.create()
    (folder / "aliases.ini").write_text(ALIASES.format(folder=folder))
    command = (
        f"cd {ROOT} && exec {sys.executable} -m exporter action --aliases {folder}/aliases.ini"
    )
    keys = {
        str(rasp.address): create_host_key(folder, f"host_key_{rasp.slot}") for rasp in inventory
    }
    line = f'restrict,command="{command}" {key.public_key_line()}'
    with running_sshds(folder, keys, rasps.port, [line]):
        results = HostKeys(rasps.ssh_folder, rasps.port).fetch_and_pin(inventory)
        assert set(results.values()) == {PinResult.PINNED}
        yield rasps


@dataclass
class ActionClient:
    """An `SshPool` and its asyncio loop."""

    runner: asyncio.Runner
    pool: SshPool

    def run(self, rasp: Rasp, action: str, *, timeout: float = TIMEOUT_SECONDS) -> ActionResult:
        return self.runner.run(self.pool.run(rasp.address, action, timeout=timeout))

    def run_all(self, actions: list[tuple[Rasp, str]]) -> list[ActionResult]:
        async def gather() -> list[ActionResult]:
            return await asyncio.gather(
                *(
                    self.pool.run(rasp.address, action, timeout=TIMEOUT_SECONDS)
                    for rasp, action in actions
                )
            )

        return self.runner.run(gather())


MakeActionClient = Callable[[Path, int], ActionClient]


@pytest.fixture
def make_action_client() -> Iterator[MakeActionClient]:
    clients = []
    with asyncio.Runner() as runner:

        def make(folder: Path, port: int) -> ActionClient:
            clients.append(ActionClient(runner, SshPool(folder, port)))
            return clients[-1]

        yield make
        for client in clients:
            runner.run(client.pool.close())


@pytest.fixture
def action_client(make_action_client: MakeActionClient, rasps: SshRasps) -> ActionClient:
    return make_action_client(rasps.ssh_folder, rasps.port)


def test_run_returns_output_and_exit_status(action_client: ActionClient, rasps: SshRasps) -> None:
    assert action_client.run(rasps.rasps[0], "greet") == ActionResult(0, "hello\nworld\n")
    assert action_client.run(rasps.rasps[0], "fail") == ActionResult(7, "")


def test_openssh_client_accepts_key_and_known_hosts_of_the_controller(rasps: SshRasps) -> None:
    ssh = find("ssh")
    for rasp in (rasps.rasps[0], rasps.rasps[-1]):
        process = subprocess.run(
            [
                *(str(ssh.path), "-F", "none", "-i", str(rasps.ssh_folder / "id_ed25519")),
                *("-o", f"UserKnownHostsFile={rasps.ssh_folder / 'known_hosts'}"),
                *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
                *("-p", str(rasps.port), f"root@{rasp.address}", "greet"),
            ],
            env=ssh.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert (process.returncode, process.stdout, process.stderr) == (0, "hello\n", "world\n")


def test_rasp_rejects_unknown_action(action_client: ActionClient, rasps: SshRasps) -> None:
    valid_actions = "fail, greet, long, nap"
    for action in ("a", "no_such", "cat /etc/passwd", "greet; reboot", "$(reboot)"):
        result = action_client.run(rasps.rasps[0], action)
        assert result.exit_status == 126
        assert valid_actions in result.output


def test_actions_share_one_connection(action_client: ActionClient, rasps: SshRasps) -> None:
    rasp = rasps.rasps[1]
    results = action_client.run_all([(rasp, "greet")] * 20)
    assert {result.exit_status for result in results} == {0}
    action_client.run(rasp, "greet")
    assert rasps.count_logins(rasp) == 1
    assert "kex: algorithm: curve25519-sha256" in rasps.log(rasp)


def test_actions_run_on_all_rasps_concurrently(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    results = action_client.run_all([(rasp, "greet") for rasp in rasps.rasps])
    assert {result.output for result in results} == {"hello\nworld\n"}


def test_long_output_is_truncated(action_client: ActionClient, rasps: SshRasps) -> None:
    result = action_client.run(rasps.rasps[0], "long")
    assert result == ActionResult(3, "x" * MAX_OUTPUT_BYTES, is_truncated=True)


def test_timed_out_action_has_no_result_and_next_action_works(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    rasp = rasps.rasps[2]
    action_client.run(rasp, "greet")
    with pytest.raises(
        ConnectionLostError,
        match=r"01-3 \(.*\): the result of nap is unknown: no response within 5 s",
    ):
        action_client.run(rasp, "nap", timeout=5)
    assert action_client.run(rasp, "greet").exit_status == 0


def test_timed_out_action_does_not_affect_other_action_on_same_connection(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    async def both() -> tuple[ActionResult | BaseException, ActionResult | BaseException]:
        address = rasps.rasps[2].address
        return await asyncio.gather(
            action_client.pool.run(address, "nap", timeout=5),
            action_client.pool.run(address, "nap", timeout=TIMEOUT_SECONDS),
            return_exceptions=True,
        )

    action_client.run(rasps.rasps[2], "greet")
    lost, other = action_client.runner.run(both())
    assert isinstance(lost, ConnectionLostError)
    assert other == ActionResult(0, "")


def test_closed_connection_is_reopened(action_client: ActionClient, rasps: SshRasps) -> None:
    rasp = rasps.rasps[3]
    action_client.run(rasp, "greet")
    logins_before = rasps.count_logins(rasp)
    for session in rasps.sessions:
        session.kill()
    assert action_client.run(rasp, "greet").exit_status == 0
    assert rasps.count_logins(rasp) == logins_before + 1


def test_unresponsive_connection_is_reopened(action_client: ActionClient, rasps: SshRasps) -> None:
    """A power cut does not close the connection on the master."""
    rasp = rasps.rasps[3]
    action_client.run(rasp, "greet")
    logins_before = rasps.count_logins(rasp)
    sessions = rasps.sessions
    assert sessions
    for session in sessions:
        session.send_signal(signal.SIGSTOP)
    assert action_client.run(rasp, "greet").exit_status == 0
    assert rasps.count_logins(rasp) == logins_before + 1
    for session in sessions:
        session.kill()


def test_action_is_not_repeated_after_connection_breaks(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    naps = rasps.folder / "naps"
    naps.unlink(missing_ok=True)
    rasp = rasps.rasps[4]
    action_client.run(rasp, "greet")
    logins_before = rasps.count_logins(rasp)

    async def kill_session_during_action() -> None:
        task = asyncio.create_task(
            action_client.pool.run(rasp.address, "nap", timeout=TIMEOUT_SECONDS)
        )
        await asyncio.to_thread(wait_until, naps.exists)
        for session in rasps.sessions:
            session.kill()
        await task

    with pytest.raises(ConnectionLostError, match=r"the result of nap is unknown: connection lost"):
        action_client.runner.run(kill_session_during_action())
    assert naps.read_text() == "started\n"
    assert rasps.count_logins(rasp) == logins_before


def test_changed_host_key_is_rejected_with_both_fingerprints(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    rasp = rasps.rasps[0]
    MasterKey(tmp_path).create()
    HostKeys(tmp_path, rasps.port).replace_keys(
        {rasp: asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))}
    )
    logins_before = rasps.count_logins(rasp)
    with pytest.raises(HostKeyError) as caught:
        make_action_client(tmp_path, rasps.port).run(rasp, "greet")
    (presented,) = HostKeys(rasps.ssh_folder, rasps.port).for_address(rasp.address)
    (pinned,) = HostKeys(tmp_path, rasps.port).for_address(rasp.address)
    assert str(caught.value) == (
        f"01-1 ({rasp.address}) presented the host key {presented.key.get_fingerprint()},"
        f" but {pinned.key.get_fingerprint()}"
        " is pinned: if the rasp was reinstalled, run `python -m controller ssh forget 1/1` and"
        " `ssh pin 1/1`. Otherwise check which machine uses this address"
    )
    assert rasps.count_logins(rasp) == logins_before


def copy_ssh_folder(rasps: SshRasps, folder: Path) -> Path:
    """Copy the master's key and the pinned host keys. Return the path of known_hosts."""
    for file in rasps.ssh_folder.iterdir():
        shutil.copy2(file, folder)
    return folder / "known_hosts"


def test_revoked_host_key_is_rejected(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    revoked, other, *_ = rasps.rasps
    known_hosts = copy_ssh_folder(rasps, tmp_path)
    (pinned,) = HostKeys(tmp_path, rasps.port).for_address(revoked.address)
    with known_hosts.open("ab") as file:
        file.write(b"@revoked * " + pinned.key.export_public_key())
    logins_before = rasps.count_logins(revoked)
    client = make_action_client(tmp_path, rasps.port)
    with pytest.raises(HostKeyError, match=f"the host key of {revoked.address} is revoked: create"):
        client.run(revoked, "greet")
    assert rasps.count_logins(revoked) == logins_before
    assert client.run(other, "greet").exit_status == 0


def test_unreadable_lines_of_known_hosts_do_not_prevent_actions(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    known_hosts = copy_ssh_folder(rasps, tmp_path)
    known_hosts.write_bytes(
        b"# Ger\xe4te\r\nswitch ssh-ed25519 AAAA M\xfcller\n" + known_hosts.read_bytes() + b"\0\0"
    )
    client = make_action_client(tmp_path, rasps.port)
    assert [client.run(rasp, "greet").exit_status for rasp in rasps.rasps] == [0] * 6


def test_run_requires_pinned_host_key(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    MasterKey(tmp_path).create()
    with pytest.raises(HostKeyError, match=r"no host key of .* is pinned: run `python -m contr"):
        make_action_client(tmp_path, rasps.port).run(rasps.rasps[0], "greet")


def test_missing_or_rejected_master_key_is_reported_with_fix(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    rasp = rasps.rasps[0]
    HostKeys(tmp_path, rasps.port).fetch_and_pin([rasp])
    client = make_action_client(tmp_path, rasps.port)
    with pytest.raises(
        KeyRejectedError, match=r"the master has no SSH key .*: create it with `python -m"
    ):
        client.run(rasp, "greet")
    MasterKey(tmp_path).create()
    with pytest.raises(
        KeyRejectedError, match=r"01-1 \(.*\) rejected the master's key: add the line"
    ):
        client.run(rasp, "greet")


RunSsh = Callable[..., Result]


@pytest.fixture
def run_ssh(rasps: SshRasps, tmp_path: Path) -> RunSsh:
    """Return a function that runs `controller ssh …` with the database `pirack.db`."""
    database = tmp_path / "pirack.db"
    Inventory(Database(database)).replace(rasps.rasps)
    (tmp_path / "rack.toml").write_text(layout_text(slots=6))
    arguments = ["--rack", f"{tmp_path}/rack.toml", "--db", str(database)]
    arguments += ["--ssh-port", str(rasps.port), "ssh"]
    return lambda *command: CliRunner().invoke(controller, [*arguments, *command])


def test_ssh_pin_rejects_a_revoked_host_key(
    rasps: SshRasps, run_ssh: RunSsh, tmp_path: Path
) -> None:
    rasp = rasps.rasps[0]
    (key,) = HostKeys(rasps.ssh_folder, rasps.port).for_address(rasp.address)
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "known_hosts").write_bytes(b"@revoked * " + key.key.export_public_key())
    result = run_ssh("pin", "1/1")
    assert (result.exit_code, result.stdout) == (1, "1 revoked\n")
    assert result.stderr.startswith(
        f"controller: 01-1 ({rasp.address}) has a revoked host key: create new host keys on the"
    )


def test_ssh_commands_pin_and_forget_host_keys(
    rasps: SshRasps, run_ssh: RunSsh, tmp_path: Path
) -> None:
    known, changed, *new = rasps.rasps
    (known_key,) = HostKeys(rasps.ssh_folder, rasps.port).for_address(known.address)
    other = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
    host_keys = HostKeys(tmp_path / "ssh", rasps.port)
    host_keys.replace_keys({known: known_key.key, changed: other})
    result = run_ssh("pin")
    assert (result.exit_code, result.stdout) == (1, "4 pinned, 1 unchanged, 1 changed\n")
    assert result.stderr == (
        f"controller: 01-2 ({changed.address}) has another host key than the pinned key: if the"
        " rasp was reinstalled, run `python -m controller ssh forget 1/2` and `ssh pin 1/2`."
        " Otherwise check which machine uses this address\n"
    )
    assert [pinned.key for pinned in host_keys.for_address(changed.address)] == [other]
    result = run_ssh("forget", "1/2")
    assert (result.exit_code, result.stdout) == (0, "Deleted the host keys of 01-2.\n")
    result = run_ssh("pin", "1/2", "1/1")
    assert (result.exit_code, result.stdout) == (0, "1 pinned, 1 unchanged\n")
    assert [pinned.key for pinned in host_keys.for_address(changed.address)] != [other]
    audit = Audit(Database(tmp_path / "pirack.db"))
    audited_targets = [record.event.targets for record in audit.list_recent(10)]
    assert audited_targets == ["01-2", "01-2", " ".join(f"01-{rasp.slot}" for rasp in new)]


def test_ssh_config_and_agent_are_ignored(
    action_client: ActionClient, rasps: SshRasps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\nProxyCommand exit 1\n")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        agent.setblocking(False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert action_client.run(rasps.rasps[5], "greet").exit_status == 0
        with pytest.raises(BlockingIOError):
            agent.accept()


def test_refused_connection_makes_rasp_unreachable(
    make_action_client: MakeActionClient, tmp_path: Path
) -> None:
    rasp, port = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1")), free_port()
    MasterKey(tmp_path).create()
    public = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
    HostKeys(tmp_path, port).replace_keys({rasp: public})
    with pytest.raises(
        UnreachableError, match=r"03-2 \(127.0.0.1\): greet was not started: connection refused"
    ):
        make_action_client(tmp_path, port).run(rasp, "greet")


def test_silent_server_makes_rasp_unreachable_after_timeout(
    make_action_client: MakeActionClient, tmp_path: Path
) -> None:
    rasp = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        MasterKey(tmp_path).create()
        public = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
        HostKeys(tmp_path, port).replace_keys({rasp: public})
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="greet was not started: no response within 1 s"):
            make_action_client(tmp_path, port).run(rasp, "greet", timeout=1)
        assert time.monotonic() - start < TIMEOUT_SECONDS
