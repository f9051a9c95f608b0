"""SSH servers of the loopback rack, used by the controller's SSH pool."""

import asyncio
import socket
import subprocess
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
from tests.helpers.threads import new_threads, running_threads
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find
from virtual_rack.actions import SimulatedActions
from virtual_rack.board import Board
from virtual_rack.faults import Fault
from virtual_rack.loopback import PING_PORT, LoopbackOptions, loopback_rack
from virtual_rack.relays import PinState
from virtual_rack.ssh_servers import SSH_PORT

pytestmark = pytest.mark.slow

ALIASES = aliases.load(aliases.DEFAULT_PATH)


class SteppedRack:
    """A rack of two rasps with a manual clock, and an SSH pool."""

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

    def run_action(self, slot: int, action: str, timeout: float = TIMEOUT_SECONDS) -> ActionResult:
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
    earlier_threads = running_threads()
    with asyncio.Runner() as runner:
        rack = SteppedRack(tmp_path, runner)
        yield rack
        rack.close()
    assert not new_threads(earlier_threads)


def test_every_packaged_action_is_simulated(stepped_rack: SteppedRack) -> None:
    for action in sorted(ALIASES.actions.keys() - {"reboot", "shutdown"}):
        assert stepped_rack.run_action(1, action).exit_status == 0
    stepped_rack.advance(3600)
    assert stepped_rack.run_action(1, "uptime").output.partition(",")[0].endswith("up  1:00")
    assert stepped_rack.run_action(1, "warnings").output == "-- No entries --\n"
    stepped_rack.inject_fault("1/1", Fault.UNDERVOLTAGE)
    assert "Undervoltage detected" in stepped_rack.run_action(1, "warnings").output


@pytest.mark.process
def test_openssh_receives_a_result_after_the_end_of_its_input(
    stepped_rack: SteppedRack,
) -> None:
    ssh = find("ssh")
    folder = stepped_rack.state_folder / "ssh"
    result = subprocess.run(
        [
            *(str(ssh.path), "-F", "none", "-i", str(folder / "id_ed25519")),
            *("-o", f"UserKnownHostsFile={folder}/known_hosts", "-o", "BatchMode=yes"),
            *("-p", str(SSH_PORT), f"root@{loopback_prefix()}.1.1", "identify"),
        ],
        env=ssh.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["", "no_such", "cpu_load1", "sync; reboot", "$(id)", "SYNC"])
def test_other_commands_are_rejected_as_on_a_real_rasp(
    stepped_rack: SteppedRack,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)
    status = actions.main([])
    assert stepped_rack.run_action(1, command) == ActionResult(status, capsys.readouterr().err)
    assert status == 126


def test_custom_actions_are_not_executed(tmp_path: Path) -> None:
    custom = aliases.parse(
        f"[stack]\na = echo 1\n[actions]\nmine = touch {tmp_path}/ran\n", Path("aliases.ini")
    )
    simulated = SimulatedActions(custom.actions, Board(Random(1), temperature=40), lambda: None)
    result = simulated.run("mine")
    assert (result.exit_status, result.error_output) == (
        1,
        "the virtual rack does not simulate the action mine\n",
    )
    assert not (tmp_path / "ran").exists()


def test_rebooted_rasp_is_unreachable_until_it_is_up(stepped_rack: SteppedRack) -> None:
    assert stepped_rack.run_action(1, "reboot") == ActionResult(0, "")
    stepped_rack.advance(1)
    assert stepped_rack.phase(1) == "booting"
    with pytest.raises(UnreachableError, match="connection refused"):
        stepped_rack.run_action(1, "uptime")
    stepped_rack.advance(20)
    assert stepped_rack.run_action(1, "uptime").output.partition(",")[0].endswith("up 0 min")
    assert stepped_rack.phase(2) == "up"


def test_halted_rasp_boots_only_after_a_power_cycle(
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


def test_ssh_server_stops_without_power(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.switch_stack(on=False)
    for slot in (1, 2):
        with pytest.raises(UnreachableError, match="connection refused"):
            stepped_rack.run_action(slot, "sync")


def test_fault_ssh_refuses_closes_the_ssh_port(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1/1", Fault.SSH_REFUSES)
    with pytest.raises(UnreachableError, match="connection refused"):
        stepped_rack.run_action(1, "sync")
    assert stepped_rack.answers(1, PING_PORT)
    assert stepped_rack.run_action(2, "sync") == ActionResult(0, "")
    stepped_rack.clear_faults("1/1")
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_fault_ssh_hangs_also_affects_open_connections(stepped_rack: SteppedRack) -> None:
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1", Fault.SSH_HANGS)
    for slot in (1, 2):
        with pytest.raises(UnreachableError, match="no response within 1 s"):
            stepped_rack.run_action(slot, "sync", timeout=1)
    stepped_rack.clear_faults("1")
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_fault_ssh_slow_delays_actions(
    stepped_rack: SteppedRack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtual_rack.ssh_servers._SLOW_SECONDS", 8.0)
    stepped_rack.run_action(1, "sync")
    stepped_rack.inject_fault("1/1", Fault.SSH_SLOW)
    with pytest.raises(
        ConnectionLostError, match="the result of sync is unknown: no response within 4 s"
    ):
        stepped_rack.run_action(1, "sync", timeout=4)
    assert stepped_rack.run_action(1, "sync") == ActionResult(0, "")


def test_new_host_key_is_rejected_until_it_is_pinned(
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


def test_wedged_rasp_responds_only_to_ping_until_power_is_cut(
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


def test_actions_on_48_rasps_at_once_return_individual_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtual_rack.ssh_servers._SLOW_SECONDS", 60.0)
    rack = loopback_rack(
        load(Path("rack.toml")),
        ALIASES,
        tmp_path,
        LoopbackOptions(loopback_prefix(), boot_seconds=0),
    )
    faults = {
        "02-1": (Fault.DEAD, UnreachableError),
        "03-1": (Fault.SSH_REFUSES, UnreachableError),
        "04-1": (Fault.SSH_HANGS, UnreachableError),
        "05-1": (Fault.SSH_SLOW, ConnectionLostError),
        "06-1": (Fault.NEW_HOST_KEY, HostKeyError),
        "07-1": (Fault.WEDGED, UnreachableError),
    }
    for name, (fault, _) in faults.items():
        rack.inject_fault(resolve_slots(rack.rack, [f"{int(name[:2])}/1"]), fault)
    rack.power_on()
    rack.advance()
    ssh = SshPool(tmp_path / "ssh", SSH_PORT)

    async def run_on_all() -> list[ActionResult | BaseException]:
        actions = (
            ssh.run(rasp.address, "sync", timeout=20 if name in faults else TIMEOUT_SECONDS)
            for name, rasp in zip(rack.status(), rack.inventory(), strict=True)
        )
        return await asyncio.gather(*actions, return_exceptions=True)

    with asyncio.Runner() as runner:
        results = dict(zip(rack.status(), runner.run(run_on_all()), strict=True))
        runner.run(ssh.close())
    rack.close()
    assert len(results) == 48
    assert {name: type(results.pop(name)) for name in faults} == {
        name: error for name, (_, error) in faults.items()
    }
    assert set(results.values()) == {ActionResult(0, "")}


def test_only_root_with_the_masters_key_can_log_in(
    stepped_rack: SteppedRack, tmp_path: Path
) -> None:
    other_keys = tmp_path / "other"
    MasterKey(other_keys).create()
    (other_keys / "known_hosts").write_text(
        (stepped_rack.state_folder / "ssh" / "known_hosts").read_text()
    )
    stepped_rack.ssh = SshPool(other_keys, SSH_PORT)
    with pytest.raises(KeyRejectedError):
        stepped_rack.run_action(1, "sync")

    async def log_in_as_pi() -> None:
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
        runner.run(log_in_as_pi())


def test_keys_are_kept_between_runs(tmp_path: Path) -> None:
    def read_files() -> dict[str, str]:
        files = [*(tmp_path / "ssh").iterdir(), tmp_path / "ssh_host_keys"]
        return {file.name: file.read_text() for file in files}

    def create_rack(layout: str) -> None:
        loopback_rack(parse(layout), ALIASES, tmp_path, LoopbackOptions(loopback_prefix()))

    create_rack(layout_text())
    first = read_files()
    assert sorted(first) == ["id_ed25519", "id_ed25519.pub", "known_hosts", "ssh_host_keys"]
    create_rack(layout_text())
    assert read_files() == first
    create_rack(layout_text(slots=3))
    assert len(read_files()["known_hosts"].splitlines()) == 3


def test_hung_shutdown_ends_when_the_fault_is_cleared(stepped_rack: SteppedRack) -> None:
    stepped_rack.inject_fault("1/1", Fault.HUNG_SHUTDOWN)
    assert stepped_rack.run_action(1, "reboot") == ActionResult(0, "")
    stepped_rack.advance(100)
    assert stepped_rack.phase(1) == "up"
    assert stepped_rack.answers(1, PING_PORT)
    stepped_rack.clear_faults("1/1")
    assert stepped_rack.phase(1) == "booting"


def test_rasp_with_a_wrong_clock_shows_1970_and_its_uptime(stepped_rack: SteppedRack) -> None:
    stepped_rack.inject_fault("1/1", Fault.WRONG_CLOCK)
    stepped_rack.advance(3600)
    proc = stepped_rack.state_folder / "rasps" / "01-1" / "proc"
    assert "btime 0\n" in (proc / "stat").read_text()
    assert float((proc / "uptime").read_text().split()[0]) > 3600
