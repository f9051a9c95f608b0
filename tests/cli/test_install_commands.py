"""Installing a rack from a terminal and from scripts, by the real controller on a virtual rack."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from rack.database import Database
from tests.cli.terminal import PIRACK, Terminal
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import wait_until

INSTALL_SETTINGS = {
    "timeout_seconds": 5,
    "cut_seconds": 0.5,
    "stagger_seconds": 0.05,
    "replace_seconds": 2,
}

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


class InstallRackProcess(RackProcess):
    """A room in which the rasps are where rack.toml plans them, and dhcpd is a log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, contact="normally_closed")
        self.layout_path.write_text(
            layout_text(2, network_prefix=self.network_prefix, install=INSTALL_SETTINGS)
        )

    def controller_arguments(self, port: int) -> list[str]:
        dhcpd = self.state_folder / "dhcpd"
        return [
            *super().controller_arguments(port),
            *("--dhcpd-conf", str(dhcpd / "dhcpd.conf"), "--dhcp-server", "auto-reload"),
            *("--dhcp-log", f"file:{dhcpd / 'dhcpd.log'}"),
        ]


@pytest.fixture(scope="module")
def rack_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    room = InstallRackProcess(tmp_path_factory.mktemp("room"))
    try:
        room.start_rack()
        yield room
    finally:
        room.close()


@pytest.fixture(scope="module")
def controller(rack_process: RackProcess) -> ControllerProcess:
    return rack_process.start_controller()


@pytest.fixture(scope="module")
def secret(rack_process: RackProcess, controller: ControllerProcess) -> str:
    return Tokens(Database(rack_process.state_folder / "pirack.db")).add("cli", Role.OPERATOR)


@pytest.fixture
def environment(controller: ControllerProcess, secret: str, tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "PIRACK_URL": controller.url,
        "PIRACK_TOKEN": secret,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> RunPirack:
    def run_pirack(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PIRACK, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return run_pirack


def json_output(completed: subprocess.CompletedProcess[str]) -> Any:
    assert completed.stderr == ""
    return json.loads(completed.stdout)


def macs(run: RunPirack, target: str) -> list[str]:
    return [rasp["mac"] for rasp in json_output(run("rasps", target, "--json"))]


def test_a_script_says_yes_before_all_stacks_lose_power(
    run: RunPirack, rack_process: RackProcess
) -> None:
    moves = rack_process.relay_moves
    for words in (["install"], ["replace", "1/1"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("pirack: it would take down ")
        assert done.stderr.endswith(": add --yes if it may\n")
    assert rack_process.relay_moves == moves


def test_a_dry_run_shows_the_change_of_dhcpd_conf_and_moves_no_relay(
    run: RunPirack, rack_process: RackProcess
) -> None:
    moves = rack_process.relay_moves
    done = run("install", "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Nothing was done.")
    assert any(line.startswith("+host rasp-01-1") for line in lines)
    assert rack_process.relay_moves == moves


def test_an_install_tells_which_macs_each_stack_has(run: RunPirack) -> None:
    done = run("install", "--yes")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert re.fullmatch(r"install \d+: done", done.stdout.splitlines()[0])
    found = {row[0]: row[1:] for row in lines if row[:1] in (["1"], ["2"])}
    assert {stack: len(each) for stack, each in found.items()} == {"1": 2, "2": 2}
    assert macs(run, "1") == sorted(found["1"])
    status = json_output(run("install", "--status", "--json"))
    assert (status["state"], status["rasps_found"]) == ("done", 4)


def test_a_running_install_refuses_orders_and_can_be_stopped(
    run: RunPirack, rack_process: RackProcess
) -> None:
    begun = json_output(run("install", "--yes", "--no-wait", "--json"))
    assert begun["state"] == "running"
    told = run("install", "--status")
    assert told.returncode == 0
    assert " stacks, " in told.stdout.splitlines()[1]
    done = run("power", "off", "1", "--yes", "--force")
    assert (done.returncode, done.stdout) == (3, "")
    second = run("install", "--yes")
    assert (second.returncode, second.stdout) == (3, "")
    stopped = run("install", "--stop")
    assert stopped.returncode == 1
    assert "stopped" in stopped.stdout.splitlines()[0]
    assert rack_process.power == ["on", "on"]


def test_two_rasps_of_a_stack_change_places(run: RunPirack) -> None:
    before = macs(run, "2")
    done = run("swap", "2/1", "2/2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("02-1 and 02-2 have changed places")
    wait_until(lambda: macs(run, "2") == before[::-1])  # the API's answers may be a second old
    for words in (["swap", "2", "2/1"], ["swap", "9/1", "2/1"]):
        assert run(*words).returncode == 2


def test_a_new_board_that_does_not_come_is_told_with_status_1(run: RunPirack) -> None:
    done = run("replace", "1/2", "--yes")
    assert done.returncode == 1
    assert re.match(r"replace \d+: failed: ", done.stdout)


def test_on_a_terminal_the_progress_is_shown_and_ctrl_c_leaves_it_running(
    on_terminal: Callable[..., Terminal], run: RunPirack
) -> None:
    terminal = on_terminal("install")
    terminal.read_until("Go on? [y/N]: ")
    assert "The power of all stacks is cut." in terminal.output
    terminal.type("y\n")
    terminal.read_until("rasps found")
    terminal.process.send_signal(signal.SIGINT)
    shown = " ".join(terminal.read_all().split())
    assert terminal.process.returncode == 130
    assert "it goes on: `pirack install --status` tells how far it is" in shown
    wait_until(lambda: json_output(run("install", "--status", "--json"))["state"] == "done")
