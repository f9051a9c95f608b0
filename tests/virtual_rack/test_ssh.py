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

from controller.errors import ConnectionLostError, HostKeyError, KeyRejectedError, UnreachableError
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.master_key import MasterKey
from controller.ssh.pool import ActionResult, SshPool
from exporter import actions, aliases
from rack.layout_file import load, parse
from rack.targets import resolve_slots
from tests.controller.openssh_servers import loopback_prefix
from tests.helpers.layouts import layout_text
from tools.programs import find
from virtual_rack.actions import SimulatedActions
from virtual_rack.board import Board
from virtual_rack.faults import Fault
from virtual_rack.loopback import PING_PORT, LoopbackOptions, loopback_rack
from virtual_rack.relays import PinState
from virtual_rack.ssh_servers import SSH_PORT

ALIASES = aliases.load(aliases.DEFAULT_PATH)


class SteppedRack:
    """A rack of two rasps whose time passes when a test says so, and somebody who orders."""

    def __init__(self, state: Path, runner: asyncio.Runner) -> None:
        self.state_folder = state
        self.now = 1_000_000.0
        self._runner = runner
        self.rack = loopback_rack(
            parse(layout_text()),
            ALIASES,
            state,
            LoopbackOptions(loopback_prefix(), boot_seconds=10),
            clock=lambda: self.now,
        )
        self.ssh = SshPool(state / "ssh", SSH_PORT)
        self.rack.power_on()
        self.advance(20)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.rack.advance()

    def run_action(self, slot: int, action: str, timeout: float = 20) -> ActionResult:
        address = self.rack.inventory()[slot - 1].address
        return self._runner.run(self.ssh.run(address, action, timeout=timeout))

    def inject_fault(self, target: str, fault: Fault) -> None:
        self.rack.inject_fault(resolve_slots(self.rack.rack, [target]), fault)
        self.advance(1)

    def clear_faults(self, target: str) -> None:
        self.rack.clear_fault(resolve_slots(self.rack.rack, [target]))
        self.advance(1)

    def switch_stack(self, *, on: bool) -> None:
        self.rack.drive(16, PinState(is_output=True, is_high=not on))
        self.advance(1)

    def phase(self, slot: int) -> str:
        return str(self.rack.status()[f"01-{slot}"][0])

    def answers(self, slot: int, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((f"{loopback_prefix()}.1.{slot}", port)) == 0

    def close(self) -> None:
        self._runner.run(self.ssh.close())
        self.rack.close()


@pytest.fixture
def stepped_rack(tmp_path: Path) -> Iterator[SteppedRack]:
    threads = threading.active_count()
    with asyncio.Runner() as runner:
        room = SteppedRack(tmp_path, runner)
        yield room
        room.close()
    assert threading.active_count() == threads


def test_every_packaged_action_is_simulated(stepped_rack: SteppedRack) -> None:
    for action in sorted(ALIASES.actions.keys() - {"reboot", "shutdown"}):
        assert stepped_rack.run_action(1, action).exit_status == 0
    stepped_rack.advance(3600)
    assert stepped_rack.run_action(1, "uptime").output.partition(",")[0].endswith("up  1:00")
    assert stepped_rack.run_action(1, "warnings").output == "-- No entries --\n"
    stepped_rack.inject_fault("1/1", Fault.UNDERVOLTAGE)
    assert "Undervoltage detected" in stepped_rack.run_action(1, "warnings").output


def test_openssh_gets_its_answer_also_where_it_comes_after_the_end_of_its_input(
    stepped_rack: SteppedRack,
) -> None:
    ssh = find("ssh")
    ran = subprocess.run(
        [
            *(
                str(ssh.path),
                "-F",
                "none",
                "-i",
                str(stepped_rack.state_folder / "ssh" / "id_ed25519"),
            ),
            *(
                "-o",
                f"UserKnownHostsFile={stepped_rack.state_folder}/ssh/known_hosts",
                "-o",
                "BatchMode=yes",
            ),
            *("-p", str(SSH_PORT), f"root@{loopback_prefix()}.1.1", "identify"),
        ],
        env=ssh.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("asked", ["", "no_such", "cpu_load1", "sync; reboot", "$(id)", "SYNC"])
def test_all_else_is_refused_as_a_real_rasp_refuses_it(
    stepped_rack: SteppedRack,
    asked: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", asked)
    status = actions.main([])
    assert stepped_rack.run_action(1, asked) == ActionResult(status, capsys.readouterr().err)
    assert status == 126


def test_an_action_of_somebodys_own_file_is_never_run(tmp_path: Path) -> None:
    own = aliases.parse(
        f"[stack]\na = echo 1\n[actions]\nmine = touch {tmp_path}/ran\n", Path("aliases.ini")
    )
    answer = SimulatedActions(own.actions, Board(Random(1), temperature=40), lambda: None).run(
        "mine"
    )
    assert (answer.exit_status, answer.error_output) == (
        1,
        "the virtual rack does not know what mine does\n",
    )
    assert not (tmp_path / "ran").exists()


def test_a_rebooted_rasp_is_gone_and_comes_back(stepped_rack: SteppedRack) -> None:
    assert stepped_rack.run_action(1, "reboot") == ActionResult(0, "")
    stepped_rack.advance(1)
    assert stepped_rack.phase(1) == "booting"
    with pytest.raises(UnreachableError, match="connection refused"):
        stepped_rack.run_action(1, "uptime")
    stepped_rack.advance(20)
    assert stepped_rack.run_action(1, "uptime").output.partition(",")[0].endswith("up 0 min")
    assert stepped_rack.phase(2) == "up"


def test_a_halted_rasp_stays_halted_until_its_power_is_cut_and_given_again(
    stepped_rack: SteppedRack,
) -> None:
    assert stepped_rack.run_action(1, "shutdown") == ActionResult(0, "")
    stepped_rack.advance(1)
    stepped_rack.inject_fault("1/1", Fault.REBOOT_ONCE)
    stepped_rack.advance(1000)
    assert stepped_rack.phase(1) == "halted"
    assert not stepped_rack.answers(1, PING_PORT)
    stepped_rack.switch_stack(on=False)
    assert stepped_rack.phase(1) == "off"
    stepped_rack.switch_stack(on=True)
    stepped_rack.advance(20)
    assert stepped_rack.phase(1) == "up"
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_the_ssh_server_goes_with_the_power(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.switch_stack(on=False)
    for slot in (1, 2):
        with pytest.raises(UnreachableError, match="connection refused"):
            stepped_rack.run_action(slot, "sync")


def test_ssh_that_refuses(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1/1", Fault.SSH_REFUSES)
    with pytest.raises(UnreachableError, match="connection refused"):
        stepped_rack.run_action(1, "sync")
    assert stepped_rack.answers(1, PING_PORT)
    assert stepped_rack.run_action(2, "sync") == ActionResult(0, "")
    stepped_rack.clear_faults("1/1")
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_ssh_that_hangs_also_on_a_connection_that_is_kept(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1", Fault.SSH_HANGS)
    for slot in (1, 2):
        with pytest.raises(UnreachableError, match="no response within 1 s"):
            stepped_rack.run_action(slot, "sync", timeout=1)
    stepped_rack.clear_faults("1")
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_ssh_that_is_slow(stepped_rack: SteppedRack) -> None:
    stepped_rack.inject_fault("1/1", Fault.SSH_SLOW)
    with pytest.raises(
        ConnectionLostError, match="the result of sync is unknown: no response within 1 s"
    ):
        stepped_rack.run_action(1, "sync", timeout=1)
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_another_host_key_is_refused_until_it_is_forgotten_and_pinned(
    stepped_rack: SteppedRack,
) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1/1", Fault.NEW_HOST_KEY)
    with pytest.raises(HostKeyError, match=r"^01-1 .* is pinned: .*ssh forget 1/1` and `ssh pin 1"):
        stepped_rack.run_action(1, "sync")
    rasp, _ = stepped_rack.rack.inventory()
    host_keys = HostKeys(stepped_rack.state_folder / "ssh", SSH_PORT)
    assert host_keys.fetch_and_pin([rasp]) == {rasp: PinResult.CHANGED}
    host_keys.forget([rasp.address])
    assert host_keys.fetch_and_pin([rasp]) == {rasp: PinResult.PINNED}
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_a_wedged_rasp_answers_ping_and_nothing_else_and_only_a_cut_helps(
    stepped_rack: SteppedRack,
) -> None:
    stepped_rack.run_action(1, "shutdown")
    stepped_rack.inject_fault("1/1", Fault.WEDGED)
    stepped_rack.advance(100)
    assert stepped_rack.phase(1) == "up"
    assert stepped_rack.answers(1, PING_PORT)
    with pytest.raises(requests.Timeout):
        requests.get(f"http://{loopback_prefix()}.1.1:9849/metrics", timeout=0.5)
    with pytest.raises(UnreachableError, match="no response within 1 s"):
        stepped_rack.run_action(1, "sync", timeout=1)
    stepped_rack.switch_stack(on=False)
    assert not stepped_rack.answers(1, PING_PORT)


def test_all_48_are_asked_at_once_and_each_has_its_own_result(tmp_path: Path) -> None:
    rack = loopback_rack(
        load(Path("rack.toml")),
        ALIASES,
        tmp_path,
        LoopbackOptions(loopback_prefix(), boot_seconds=0),
    )
    wrong = {
        "02-1": (Fault.DEAD, UnreachableError),
        "03-1": (Fault.SSH_REFUSES, UnreachableError),
        "04-1": (Fault.SSH_HANGS, UnreachableError),
        "05-1": (Fault.SSH_SLOW, ConnectionLostError),
        "06-1": (Fault.NEW_HOST_KEY, HostKeyError),
        "07-1": (Fault.WEDGED, UnreachableError),
    }
    for name, (fault, _) in wrong.items():
        rack.inject_fault(resolve_slots(rack.rack, [f"{int(name[:2])}/1"]), fault)
    rack.power_on()
    rack.advance()
    ssh = SshPool(tmp_path / "ssh", SSH_PORT)

    async def ask_all() -> list[ActionResult | BaseException]:
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
    assert set(answers.values()) == {ActionResult(0, "")}


def test_only_the_masters_key_and_only_root_may_log_in(
    stepped_rack: SteppedRack, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    MasterKey(stranger).create()
    (stranger / "known_hosts").write_text(
        (stepped_rack.state_folder / "ssh" / "known_hosts").read_text()
    )
    stepped_rack.ssh = SshPool(stranger, SSH_PORT)
    with pytest.raises(KeyRejectedError):
        stepped_rack.run_action(1, "sync")

    async def as_somebody_else() -> None:
        key = MasterKey(stepped_rack.state_folder / "ssh").load()
        await asyncssh.connect(
            f"{loopback_prefix()}.1.1",
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
        loopback_rack(parse(layout), ALIASES, tmp_path, LoopbackOptions(loopback_prefix()))

    make(layout_text())
    before = files()
    assert sorted(before) == ["id_ed25519", "id_ed25519.pub", "known_hosts", "ssh_host_keys"]
    make(layout_text())
    assert files() == before
    make(layout_text(slots=3))
    assert len(files()["known_hosts"].splitlines()) == 3
