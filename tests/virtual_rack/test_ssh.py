"""The loopback rack's SSH servers, as the controller meets them."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import asyncssh
import pytest
import requests

from controller.errors import Lost, NotAllowed, Unreachable, WrongHostKey
from controller.host_keys import HostKeys, Pinning
from controller.master_key import MasterKey
from controller.ssh import Ran, Ssh
from exporter import actions, aliases
from rack.layout_file import load, parse
from rack.places import select
from tests.controller.openssh import network
from virtual_rack.actions import Actions
from virtual_rack.board import Board
from virtual_rack.faults import Fault
from virtual_rack.loopback import PING_PORT, Options, loopback_rack
from virtual_rack.programs import find
from virtual_rack.relays import PinState
from virtual_rack.ssh_servers import SSH_PORT

LAYOUT = """
name = "small"
slots = 2
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
ALIASES = aliases.load(aliases.DEFAULT_PATH)


class Room:
    """A rack of two rasps whose time passes when a test says so, and somebody who orders."""

    def __init__(self, state: Path, runner: asyncio.Runner) -> None:
        self.state = state
        self.now = 1_000_000.0
        self._runner = runner
        self.rack = loopback_rack(
            parse(LAYOUT),
            ALIASES,
            state,
            Options(network(), boot_seconds=10),
            clock=lambda: self.now,
        )
        self.ssh = Ssh(state / "ssh", SSH_PORT)
        self.rack.power_on()
        self.wait(20)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.rack.advance()

    def order(self, slot: int, action: str, within: float = 20) -> Ran:
        address = self.rack.inventory()[slot - 1].address
        return self._runner.run(self.ssh.run(address, action, timeout=within))

    def put_on(self, place: str, fault: Fault) -> None:
        self.rack.put_on(select(self.rack.rack, [place]), fault)
        self.wait(1)

    def heal(self, place: str) -> None:
        self.rack.take_off(select(self.rack.rack, [place]))
        self.wait(1)

    def power(self, *, on: bool) -> None:
        self.rack.drive(16, PinState(is_output=True, is_high=not on))
        self.wait(1)

    def phase(self, slot: int) -> str:
        return str(self.rack.status()[f"01-{slot}"][0])

    def answers(self, slot: int, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((f"{network()}.1.{slot}", port)) == 0

    def close(self) -> None:
        self._runner.run(self.ssh.close())
        self.rack.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    threads = threading.active_count()
    with asyncio.Runner() as runner:
        room = Room(tmp_path, runner)
        yield room
        room.close()
    assert threading.active_count() == threads


def test_every_packaged_action_is_simulated(room: Room) -> None:
    for action in sorted(ALIASES.actions.keys() - {"reboot", "shutdown"}):
        assert room.order(1, action).exit_status == 0
    room.wait(3600)
    assert room.order(1, "uptime").output.partition(",")[0].endswith("up  1:00")
    assert room.order(1, "warnings").output == "-- No entries --\n"
    room.put_on("1/1", Fault.UNDERVOLTAGE)
    assert "Undervoltage detected" in room.order(1, "warnings").output


def test_openssh_gets_its_answer_also_where_it_comes_after_the_end_of_its_input(room: Room) -> None:
    ssh = find("ssh")
    ran = subprocess.run(
        [
            *(str(ssh.path), "-F", "none", "-i", str(room.state / "ssh" / "id_ed25519")),
            *("-o", f"UserKnownHostsFile={room.state}/ssh/known_hosts", "-o", "BatchMode=yes"),
            *("-p", str(SSH_PORT), f"root@{network()}.1.1", "identify"),
        ],
        env=ssh.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("asked", ["", "no_such", "cpu_load1", "sync; reboot", "$(id)", "SYNC"])
def test_all_else_is_refused_as_a_real_rasp_refuses_it(
    room: Room,
    asked: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", asked)
    status = actions.main([])
    assert room.order(1, asked) == Ran(status, capsys.readouterr().err)
    assert status == 126


def test_an_action_of_somebodys_own_file_is_never_run(tmp_path: Path) -> None:
    own = aliases.parse(
        f"[stack]\na = echo 1\n[actions]\nmine = touch {tmp_path}/ran\n", Path("aliases.ini")
    )
    answer = Actions(own.actions, Board(Random(1), temperature=40), lambda: None).answer("mine")
    assert (answer.exit_status, answer.complaint) == (
        1,
        "the virtual rack does not know what mine does\n",
    )
    assert not (tmp_path / "ran").exists()


def test_a_rebooted_rasp_is_gone_and_comes_back(room: Room) -> None:
    assert room.order(1, "reboot") == Ran(0, "")
    room.wait(1)
    assert room.phase(1) == "booting"
    with pytest.raises(Unreachable, match="connection refused"):
        room.order(1, "uptime")
    room.wait(20)
    assert room.order(1, "uptime").output.partition(",")[0].endswith("up 0 min")
    assert room.phase(2) == "up"


def test_a_halted_rasp_stays_halted_until_its_power_is_cut_and_given_again(room: Room) -> None:
    assert room.order(1, "shutdown") == Ran(0, "")
    room.wait(1)
    room.put_on("1/1", Fault.REBOOT_ONCE)
    room.wait(1000)
    assert room.phase(1) == "halted"
    assert not room.answers(1, PING_PORT)
    room.power(on=False)
    assert room.phase(1) == "off"
    room.power(on=True)
    room.wait(20)
    assert room.phase(1) == "up"
    assert room.order(1, "sync") == Ran(0, "")


def test_the_ssh_server_goes_with_the_power(room: Room) -> None:
    room.order(1, "sync")
    room.power(on=False)
    for slot in (1, 2):
        with pytest.raises(Unreachable, match="connection refused"):
            room.order(slot, "sync")


def test_ssh_that_refuses(room: Room) -> None:
    room.order(1, "sync")
    room.put_on("1/1", Fault.SSH_REFUSES)
    with pytest.raises(Unreachable, match="connection refused"):
        room.order(1, "sync")
    assert room.answers(1, PING_PORT)
    assert room.order(2, "sync") == Ran(0, "")
    room.heal("1/1")
    assert room.order(1, "sync") == Ran(0, "")


def test_ssh_that_hangs_also_on_a_connection_that_is_kept(room: Room) -> None:
    room.order(1, "sync")
    room.put_on("1", Fault.SSH_HANGS)
    for slot in (1, 2):
        with pytest.raises(Unreachable, match="no answer came within 1 s"):
            room.order(slot, "sync", within=1)
    room.heal("1")
    assert room.order(1, "sync") == Ran(0, "")


def test_ssh_that_is_slow(room: Room) -> None:
    room.put_on("1/1", Fault.SSH_SLOW)
    with pytest.raises(Lost, match="was asked for sync, and then no answer came within 1 s"):
        room.order(1, "sync", within=1)
    assert room.order(1, "sync") == Ran(0, "")


def test_another_host_key_is_refused_until_it_is_forgotten_and_pinned(room: Room) -> None:
    room.order(1, "sync")
    room.put_on("1/1", Fault.NEW_HOST_KEY)
    with pytest.raises(WrongHostKey, match=r"^01-1 .* is pinned: .*ssh forget 1/1` and `ssh pin 1"):
        room.order(1, "sync")
    rasp, _ = room.rack.inventory()
    host_keys = HostKeys(room.state / "ssh", SSH_PORT)
    assert host_keys.pin([rasp]) == {rasp: Pinning.CHANGED}
    host_keys.forget([rasp.address])
    assert host_keys.pin([rasp]) == {rasp: Pinning.PINNED}
    assert room.order(1, "sync") == Ran(0, "")


def test_a_wedged_rasp_answers_ping_and_nothing_else_and_only_a_cut_helps(room: Room) -> None:
    room.order(1, "shutdown")
    room.put_on("1/1", Fault.WEDGED)
    room.wait(100)
    assert room.phase(1) == "up"
    assert room.answers(1, PING_PORT)
    with pytest.raises(requests.Timeout):
        requests.get(f"http://{network()}.1.1:9849/metrics", timeout=0.5)
    with pytest.raises(Unreachable, match="no answer came within 1 s"):
        room.order(1, "sync", within=1)
    room.power(on=False)
    assert not room.answers(1, PING_PORT)


def test_all_48_are_asked_at_once_and_each_has_its_own_result(tmp_path: Path) -> None:
    rack = loopback_rack(
        load(Path("rack.toml")), ALIASES, tmp_path, Options(network(), boot_seconds=0)
    )
    wrong = {
        "02-1": (Fault.DEAD, Unreachable),
        "03-1": (Fault.SSH_REFUSES, Unreachable),
        "04-1": (Fault.SSH_HANGS, Unreachable),
        "05-1": (Fault.SSH_SLOW, Lost),
        "06-1": (Fault.NEW_HOST_KEY, WrongHostKey),
        "07-1": (Fault.WEDGED, Unreachable),
    }
    for name, (fault, _) in wrong.items():
        rack.put_on(select(rack.rack, [f"{int(name[:2])}/1"]), fault)
    rack.power_on()
    rack.advance()
    ssh = Ssh(tmp_path / "ssh", SSH_PORT)

    async def ask_all() -> list[Ran | BaseException]:
        orders = (
            ssh.run(rasp.address, "sync", timeout=2.5 if name in wrong else 60)
            for name, rasp in zip(rack.status(), rack.inventory(), strict=True)
        )
        return await asyncio.gather(*orders, return_exceptions=True)

    with asyncio.Runner() as runner:
        answers = dict(zip(rack.status(), runner.run(ask_all()), strict=True))
        runner.run(ssh.close())
    rack.close()
    assert len(answers) == 48
    assert {name: type(answers.pop(name)) for name in wrong} == {
        name: error for name, (_, error) in wrong.items()
    }
    assert set(answers.values()) == {Ran(0, "")}


def test_only_the_masters_key_and_only_root_may_log_in(room: Room, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    MasterKey(stranger).make()
    (stranger / "known_hosts").write_text((room.state / "ssh" / "known_hosts").read_text())
    room.ssh = Ssh(stranger, SSH_PORT)
    with pytest.raises(NotAllowed):
        room.order(1, "sync")

    async def as_somebody_else() -> None:
        key = MasterKey(room.state / "ssh").load()
        await asyncssh.connect(
            f"{network()}.1.1",
            SSH_PORT,
            username="pi",
            client_keys=[key],
            known_hosts=None,
            config=None,
            agent_path=None,
        )

    with asyncio.Runner() as runner, pytest.raises(asyncssh.PermissionDenied):
        runner.run(as_somebody_else())


def test_the_keys_last_from_one_run_to_the_next(tmp_path: Path) -> None:
    def files() -> dict[str, str]:
        kept = [*(tmp_path / "ssh").iterdir(), tmp_path / "ssh_host_keys"]
        return {file.name: file.read_text() for file in kept}

    def make(layout: str) -> None:
        loopback_rack(parse(layout), ALIASES, tmp_path, Options(network()))

    make(LAYOUT)
    before = files()
    assert sorted(before) == ["id_ed25519", "id_ed25519.pub", "known_hosts", "ssh_host_keys"]
    make(LAYOUT)
    assert files() == before
    make(LAYOUT.replace("slots = 2", "slots = 3"))
    assert len(files()["known_hosts"].splitlines()) == 3
