"""Install commands, with a real controller and a virtual rack."""

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
from tests.cli.terminal import Terminal
from tests.controller.rack_process import ControllerProcess, RackProcess
from tests.helpers.forked_program import run_program
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

INSTALL_SETTINGS = {
    "timeout_seconds": 20,
    "cut_seconds": 0.5,
    "stagger_seconds": 0.05,
    "replace_seconds": 2,
}

RunPirack = Callable[..., subprocess.CompletedProcess[str]]


class InstallRackProcess(RackProcess):
    """Virtual rack of two stacks with a log file instead of a DHCP server."""

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
    process = InstallRackProcess(tmp_path_factory.mktemp("rack"))
    try:
        process.start_rack()
        yield process
    finally:
        process.close()


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
    def run_pirack(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_program("cli", arguments, environment=environment)

    return run_pirack


def json_output(completed: subprocess.CompletedProcess[str]) -> Any:
    assert completed.stderr == ""
    return json.loads(completed.stdout)


def macs(run: RunPirack, target: str) -> list[str]:
    return [rasp["mac"] for rasp in json_output(run("rasps", target, "--json"))]


def test_install_without_terminal_requires_yes(run: RunPirack, rack_process: RackProcess) -> None:
    moves = rack_process.relay_moves
    for arguments in (["install"], ["replace", "1/1"]):
        completed = run(*arguments)
        assert (completed.returncode, completed.stdout) == (2, "")
        assert completed.stderr.startswith("pirack: ")
        assert completed.stderr.endswith(": confirm with --yes\n")
    assert rack_process.relay_moves == moves


def test_dry_run_prints_changes_to_dhcpd_conf_and_switches_no_relay(
    run: RunPirack, rack_process: RackProcess
) -> None:
    moves = rack_process.relay_moves
    completed = run("install", "--dry-run")
    assert completed.returncode == 0, completed.stderr
    lines = completed.stdout.splitlines()
    assert lines[0].startswith("Dry run. ")
    assert any(line.startswith("+host rasp-01-1") for line in lines)
    assert rack_process.relay_moves == moves


def test_install_prints_macs_of_each_stack(run: RunPirack) -> None:
    completed = run("install", "--yes")
    assert (completed.returncode, completed.stderr) == (0, ""), completed.stdout + completed.stderr
    lines = [line.split() for line in completed.stdout.splitlines()]
    assert re.fullmatch(r"install \d+: done", completed.stdout.splitlines()[0])
    found = {row[0]: row[1:] for row in lines if row[:1] in (["1"], ["2"])}
    assert {stack: len(found_macs) for stack, found_macs in found.items()} == {"1": 2, "2": 2}
    assert macs(run, "1") == sorted(found["1"])
    status = json_output(run("install", "--status", "--json"))
    assert (status["state"], status["rasps_found"]) == ("done", 4)


def test_running_install_blocks_orders_and_can_be_stopped(
    run: RunPirack, rack_process: RackProcess
) -> None:
    rack_process.inject_fault("1/1", "dead")  # the install waits for it
    try:
        started = json_output(run("install", "--yes", "--no-wait", "--json"))
        assert started["state"] == "running"
        status = run("install", "--status")
        assert status.returncode == 0
        assert " stacks, " in status.stdout.splitlines()[1]
        completed = run("power", "off", "1", "--yes", "--force")
        assert (completed.returncode, completed.stdout) == (3, "")
        second = run("install", "--yes")
        assert (second.returncode, second.stdout) == (3, "")
        stopped = run("install", "--stop")
        assert stopped.returncode == 1
        assert "stopped" in stopped.stdout.splitlines()[0]
    finally:
        rack_process.clear_fault("1/1")
    assert rack_process.power == ["on", "on"]


def test_swap_exchanges_two_rasps_of_a_stack(run: RunPirack) -> None:
    previous = macs(run, "2")
    completed = run("swap", "2/1", "2/2")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.startswith("Swapped 02-1 and 02-2.")
    wait_until(lambda: macs(run, "2") == previous[::-1])  # the API caches responses for a second
    for arguments in (["swap", "2", "2/1"], ["swap", "9/1", "2/1"]):
        assert run(*arguments).returncode == 2


def test_failed_swap_is_reported_with_status_1(run: RunPirack, rack_process: RackProcess) -> None:
    dhcpd_conf = rack_process.state_folder / "dhcpd" / "dhcpd.conf"
    valid = dhcpd_conf.read_text()
    dhcpd_conf.write_text(f"{valid}\nsubnet 10.99.0.0 netmask 255.255.0.0 {{\n")
    completed = run("swap", "2/1", "2/2")
    dhcpd_conf.write_text(valid)
    assert completed.returncode == 1
    assert re.match(r"swap \d+: failed: ", completed.stdout)


def test_replace_without_new_board_fails_with_status_1(run: RunPirack) -> None:
    completed = run("replace", "1/2", "--yes")
    assert completed.returncode == 1
    assert re.match(r"replace \d+: failed: ", completed.stdout)


def test_install_continues_after_ctrl_c(
    on_terminal: Callable[..., Terminal], run: RunPirack, rack_process: RackProcess
) -> None:
    rack_process.inject_fault("2/2", "dead")  # the install waits for this rasp
    terminal = on_terminal("install")
    terminal.read_until("Continue? [y/N]: ")
    assert "All stacks lose power." in terminal.output
    terminal.type("y\n")
    terminal.read_until("rasps found")
    terminal.process.send_signal(signal.SIGINT)
    output = " ".join(terminal.read_all().split())
    assert terminal.process.returncode == 130
    assert "the install continues: show it with `pirack install --status`" in output
    rack_process.clear_fault("2/2")
    wait_until(lambda: json_output(run("install", "--status", "--json"))["state"] == "done")
