"""Actions by SSH, against real OpenSSH servers with the real forced command."""

import asyncio
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

from controller.__main__ import main as controller
from controller.audit import Audit
from controller.errors import ConnectionLostError, HostKeyError, KeyRejectedError, UnreachableError
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import MAX_OUTPUT_BYTES, ActionResult, SshPool
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.openssh_servers import create_host_key, loopback_prefix, running_sshds
from tests.helpers.waiting import free_port, wait_until
from tools.programs import find

ALIASES = """
[stack]
a = echo 1
[actions]
greet = echo hello; echo there >&2
fail = exit 7
long = head -c 1000000 /dev/zero | tr '\\0' x; exit 3
nap = echo began >> {folder}/naps; sleep 4
"""
LAYOUT = """
name = "small"
slots = 6
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{stack}.{slot}"
[relays]
active_high = true
contact = "normally_closed"
[[stacks]]
pin = 16
x = 0
y = 0
"""
ROOT = Path(__file__).parents[3]


@dataclass
class SshRasps:
    """Six rasps: their SSH servers, and what the master knows of them."""

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
        """The servers' processes for log-ins, below this test's."""
        return [
            each
            for each in psutil.Process().children(recursive=True)
            if each.name() == "sshd" and "@notty" in " ".join(each.cmdline())
        ]


@pytest.fixture(scope="module")
def rasps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshRasps]:
    folder = tmp_path_factory.mktemp("rasps")
    found = [
        Rasp(1, slot, f"b8:27:eb:00:01:{slot:02x}", IPv4Address(f"{loopback_prefix()}.1.{slot}"))
        for slot in range(1, 7)
    ]
    rasps = SshRasps(folder, free_port(), found)
    key = MasterKey(rasps.ssh_folder)
    key.create()
    (folder / "aliases.ini").write_text(ALIASES.format(folder=folder))
    command = (
        f"cd {ROOT} && exec {sys.executable} -m exporter action --aliases {folder}/aliases.ini"
    )
    keys = {str(rasp.address): create_host_key(folder, f"host_key_{rasp.slot}") for rasp in found}
    line = f'restrict,command="{command}" {key.public_key_line()}'
    with running_sshds(folder, keys, rasps.port, [line]):
        pinned = HostKeys(rasps.ssh_folder, rasps.port).fetch_and_pin(found)
        assert set(pinned.values()) == {PinResult.PINNED}
        yield rasps


@dataclass
class ActionClient:
    """Somebody who orders actions: one asyncio loop, one Ssh."""

    runner: asyncio.Runner
    pool: SshPool

    def run(self, rasp: Rasp, action: str, *, timeout: float = 20) -> ActionResult:
        return self.runner.run(self.pool.run(rasp.address, action, timeout=timeout))

    def run_all(self, actions: list[tuple[Rasp, str]]) -> list[ActionResult]:
        async def gather() -> list[ActionResult]:
            return await asyncio.gather(
                *(self.pool.run(rasp.address, action, timeout=60) for rasp, action in actions)
            )

        return self.runner.run(gather())


MakeActionClient = Callable[[Path, int], ActionClient]


@pytest.fixture
def make_action_client() -> Iterator[MakeActionClient]:
    masters = []
    with asyncio.Runner() as runner:

        def make(folder: Path, port: int) -> ActionClient:
            masters.append(ActionClient(runner, SshPool(folder, port)))
            return masters[-1]

        yield make
        for master in masters:
            runner.run(master.pool.close())


@pytest.fixture
def action_client(make_action_client: MakeActionClient, rasps: SshRasps) -> ActionClient:
    return make_action_client(rasps.ssh_folder, rasps.port)


def test_an_action_comes_back_with_its_output_and_exit_status(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    assert action_client.run(rasps.rasps[0], "greet") == ActionResult(0, "hello\nthere\n")
    assert action_client.run(rasps.rasps[0], "fail") == ActionResult(7, "")


def test_openssh_works_with_the_same_files(rasps: SshRasps) -> None:
    ssh = find("ssh")
    for rasp in (rasps.rasps[0], rasps.rasps[-1]):
        ran = subprocess.run(
            [
                *(str(ssh.path), "-F", "none", "-i", str(rasps.ssh_folder / "id_ed25519")),
                *("-o", f"UserKnownHostsFile={rasps.ssh_folder / 'known_hosts'}"),
                *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"),
                *("-p", str(rasps.port), f"root@{rasp.address}", "greet"),
            ],
            env=ssh.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "hello\n", "there\n")


def test_what_is_no_action_is_refused_by_the_rasp(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    known = "fail, greet, long, nap"
    for asked in ("a", "no_such", "cat /etc/passwd", "greet; reboot", "$(reboot)"):
        ran = action_client.run(rasps.rasps[0], asked)
        assert ran.exit_status == 126
        assert known in ran.output


def test_a_connection_is_kept_and_shared(action_client: ActionClient, rasps: SshRasps) -> None:
    rasp = rasps.rasps[1]
    answers = action_client.run_all([(rasp, "greet")] * 20)
    assert {answer.exit_status for answer in answers} == {0}
    action_client.run(rasp, "greet")
    assert rasps.count_logins(rasp) == 1
    assert "kex: algorithm: curve25519-sha256" in rasps.log(rasp)


def test_all_rasps_are_asked_side_by_side(action_client: ActionClient, rasps: SshRasps) -> None:
    answers = action_client.run_all([(rasp, "greet") for rasp in rasps.rasps])
    assert {answer.output for answer in answers} == {"hello\nthere\n"}


def test_of_long_output_the_beginning_is_kept(action_client: ActionClient, rasps: SshRasps) -> None:
    ran = action_client.run(rasps.rasps[0], "long")
    assert ran == ActionResult(3, "x" * MAX_OUTPUT_BYTES, is_truncated=True)


def test_an_action_that_takes_too_long_is_lost_and_the_next_one_works(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    rasp = rasps.rasps[2]
    with pytest.raises(
        ConnectionLostError,
        match=r"01-3 \(.*\) was asked for nap, and then no answer came within 2 s",
    ):
        action_client.run(rasp, "nap", timeout=2)
    assert action_client.run(rasp, "greet").exit_status == 0


def test_one_lost_action_does_not_harm_another_on_the_same_connection(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    async def both() -> tuple[ActionResult | BaseException, ActionResult | BaseException]:
        address = rasps.rasps[2].address
        return await asyncio.gather(
            action_client.pool.run(address, "nap", timeout=1),
            action_client.pool.run(address, "nap", timeout=60),
            return_exceptions=True,
        )

    lost, other = action_client.runner.run(both())
    assert isinstance(lost, ConnectionLostError)
    assert other == ActionResult(0, "")


def test_a_kept_connection_that_was_closed_is_made_anew(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    rasp = rasps.rasps[3]
    action_client.run(rasp, "greet")
    before = rasps.count_logins(rasp)
    for session in rasps.sessions:
        session.kill()
    assert action_client.run(rasp, "greet").exit_status == 0
    assert rasps.count_logins(rasp) == before + 1


def test_a_kept_connection_that_has_fallen_silent_is_made_anew(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    """As after a cut of the rasp's power, when nothing tells the master."""
    rasp = rasps.rasps[3]
    action_client.run(rasp, "greet")
    before = rasps.count_logins(rasp)
    sessions = rasps.sessions
    assert sessions
    for session in sessions:
        session.send_signal(signal.SIGSTOP)
    assert action_client.run(rasp, "greet").exit_status == 0
    assert rasps.count_logins(rasp) == before + 1
    for session in sessions:
        session.kill()


def test_an_action_whose_connection_breaks_is_lost_and_not_ordered_again(
    action_client: ActionClient, rasps: SshRasps
) -> None:
    naps = rasps.folder / "naps"
    naps.unlink(missing_ok=True)
    rasp = rasps.rasps[4]
    action_client.run(rasp, "greet")
    before = rasps.count_logins(rasp)

    async def break_in_the_middle() -> None:
        order = asyncio.create_task(action_client.pool.run(rasp.address, "nap", timeout=60))
        await asyncio.to_thread(wait_until, naps.exists)
        for session in rasps.sessions:
            session.kill()
        await order

    with pytest.raises(ConnectionLostError, match=r"was asked for nap, and then connection lost"):
        action_client.runner.run(break_in_the_middle())
    assert naps.read_text() == "began\n"
    assert rasps.count_logins(rasp) == before


def test_another_host_key_is_refused_and_named(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    rasp = rasps.rasps[0]
    MasterKey(tmp_path).create()
    HostKeys(tmp_path, rasps.port).pin_keys(
        {rasp: asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))}
    )
    before = rasps.count_logins(rasp)
    with pytest.raises(HostKeyError) as caught:
        make_action_client(tmp_path, rasps.port).run(rasp, "greet")
    (shown,) = HostKeys(rasps.ssh_folder, rasps.port).for_address(rasp.address)
    (pinned,) = HostKeys(tmp_path, rasps.port).for_address(rasp.address)
    assert str(caught.value) == (
        f"01-1 ({rasp.address}) shows the host key {shown.key.get_fingerprint()},"
        f" and {pinned.key.get_fingerprint()}"
        " is pinned: if it was set up anew, run `python -m controller ssh forget 1/1` and"
        " `ssh pin 1/1`; else find out who answers there"
    )
    assert rasps.count_logins(rasp) == before


def test_without_a_pinned_host_key_nothing_is_asked(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    MasterKey(tmp_path).create()
    with pytest.raises(HostKeyError, match=r"no host key of .* is pinned: run `python -m contr"):
        make_action_client(tmp_path, rasps.port).run(rasps.rasps[0], "greet")


def test_a_master_whose_key_is_refused_or_missing_is_told_the_mend(
    make_action_client: MakeActionClient, rasps: SshRasps, tmp_path: Path
) -> None:
    rasp = rasps.rasps[0]
    HostKeys(tmp_path, rasps.port).fetch_and_pin([rasp])
    stranger = make_action_client(tmp_path, rasps.port)
    with pytest.raises(
        KeyRejectedError, match=r"the master has no SSH key .*: make it by `python -m"
    ):
        stranger.run(rasp, "greet")
    MasterKey(tmp_path).create()
    with pytest.raises(
        KeyRejectedError, match=r"01-1 \(.*\) refuses the master's key: give it the"
    ):
        stranger.run(rasp, "greet")


def test_host_keys_are_pinned_at_the_console_and_changed_ones_refused(
    rasps: SshRasps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, changed, *fresh = rasps.rasps
    database = tmp_path / "pirack.db"
    Inventory(Database(database)).replace(rasps.rasps)
    (shown,) = HostKeys(rasps.ssh_folder, rasps.port).for_address(known.address)
    other = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
    host_keys = HostKeys(tmp_path / "ssh", rasps.port)
    host_keys.pin_keys({known: shown.key, changed: other})
    (tmp_path / "rack.toml").write_text(LAYOUT)
    words = ["--rack", f"{tmp_path}/rack.toml", "--db", str(database)]
    words += ["--ssh-port", str(rasps.port), "ssh"]
    assert controller([*words, "pin"]) == 2
    said = capsys.readouterr()
    assert said.out == "4 pinned, 1 as before, 1 changed\n"
    assert said.err == (
        f"01-2 ({changed.address}) shows another host key than the pinned one: if it was set up"
        " anew, run `python -m controller ssh forget 1/2` and `ssh pin 1/2`; else find out who"
        " answers there\n"
    )
    assert [each.key for each in host_keys.for_address(changed.address)] == [other]
    assert controller([*words, "forget", "1/2"]) == 0
    assert controller([*words, "pin", "1/2", "1/1"]) == 0
    assert capsys.readouterr().out == "forgotten: 01-2\n1 pinned, 1 as before\n"
    assert [each.key for each in host_keys.for_address(changed.address)] != [other]
    audited = [entry.event.targets for entry in Audit(Database(database)).list_recent(10)]
    assert audited == ["01-2", "01-2", " ".join(f"01-{rasp.slot}" for rasp in fresh)]


def test_nobodys_configuration_and_agent_count(
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


def test_a_rasp_that_refuses_connections_is_unreachable(
    make_action_client: MakeActionClient, tmp_path: Path
) -> None:
    rasp, port = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1")), free_port()
    MasterKey(tmp_path).create()
    public = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
    HostKeys(tmp_path, port).pin_keys({rasp: public})
    with pytest.raises(
        UnreachableError, match=r"03-2 \(127.0.0.1\) was not asked for greet: connection refused"
    ):
        make_action_client(tmp_path, port).run(rasp, "greet")


def test_a_rasp_that_accepts_and_never_answers_is_unreachable_in_time(
    make_action_client: MakeActionClient, tmp_path: Path
) -> None:
    rasp = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        MasterKey(tmp_path).create()
        public = asyncssh.read_public_key(str(create_host_key(tmp_path).with_suffix(".pub")))
        HostKeys(tmp_path, port).pin_keys({rasp: public})
        began = time.monotonic()
        with pytest.raises(
            UnreachableError, match="was not asked for greet: no answer came within 1 s"
        ):
            make_action_client(tmp_path, port).run(rasp, "greet", timeout=1)
        assert time.monotonic() - began < 10
