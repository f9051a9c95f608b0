"""The command line of `python -m dhcp_installer`."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rack.lock import CONTROLLER, exclusive_access
from tests.dhcp_installer.install_fixture import (
    CUT_SECONDS,
    LONG_CUT_SECONDS,
    InstallFixture,
    running_fixture,
)
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack.loopback import PING_PORT

pytestmark = pytest.mark.process

INITIAL_CONFIG = "# ours\n"


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InstallFixture]:
    """Return a fixture. Its optional parameter is the time of a cut."""
    with running_fixture(tmp_path, cut_seconds=getattr(request, "param", CUT_SECONDS)) as lab:
        lab.config_path.write_text(INITIAL_CONFIG)
        yield lab


def installer_argv(lab: InstallFixture, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "dhcp_installer", *options),
        *("--rack", str(lab.layout_path), "--db", str(lab.database.path)),
        *("--dhcpd-conf", str(lab.config_path), "--dhcp-log", f"file:{lab.log_path}"),
        *("--dhcp-server", "auto-reload", "--ping", f"tcp:{PING_PORT}"),
    ]


def environment(lab: InstallFixture) -> Mapping[str, str]:
    variables = {"GPIOZERO_PIN_FACTORY": "virtual_rack", "PIRACK_VIRTUAL_RACK": str(lab.state)}
    return os.environ | variables


def run(lab: InstallFixture, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        installer_argv(lab, *options),
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_a_terminal_each_step_is_one_line(lab: InstallFixture) -> None:
    done = run(lab, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "done"
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines[:-1])
    assert lines[-2].endswith("4 of 4 rasps reply at their addresses")
    assert lab.known_rasps == lab.rasps


def test_json_option_prints_one_object_per_line_and_the_result(lab: InstallFixture) -> None:
    done = run(lab, "--yes", "--json", "--strategy", "one-by-one")
    assert (done.returncode, done.stderr) == (0, "")
    objects: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert objects[-1] == {"state": "done", "error": ""}
    assert {report["stage"] for report in objects[:-1]} >= {"check", "discover", "verify"}
    assert objects[-2]["found"]["1"] == ["b8:27:eb:23:01:01", "b8:27:eb:23:01:02"]


def test_install_without_confirmation_cuts_no_power(lab: InstallFixture) -> None:
    power_changes = lab.virtual.stack_power()
    done = run(lab)
    assert done.returncode == 2
    assert done.stderr == (
        "dhcp_installer: an install cuts the power of all stacks: confirm with --yes\n"
    )
    assert lab.virtual.stack_power() == power_changes


def test_dry_run_prints_the_diff(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    done = run(lab, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"--- {lab.config_path}\n+++ {lab.config_path} (new)\n")
    assert "+host rasp-01-1 {" in done.stdout
    assert lab.config_path.read_text() == INITIAL_CONFIG


def test_install_is_rejected_while_the_controller_runs(lab: InstallFixture) -> None:
    with exclusive_access(lab.database.path, CONTROLLER):
        done = run(lab, "--yes")
    assert done.returncode == 2
    assert done.stderr == "dhcp_installer: the controller is running: use `pirack install`\n"


def test_second_installer_with_the_same_database_is_rejected(lab: InstallFixture) -> None:
    with exclusive_access(lab.database.path, "installer"):
        done = run(lab, "--yes")
    assert done.returncode == 2
    assert f"another installer (process {os.getpid()}) uses " in done.stderr


@pytest.mark.parametrize("option", ["--yes", "--dry-run"])
def test_installer_does_not_replace_a_lost_database(lab: InstallFixture, option: str) -> None:
    power_changes = lab.virtual.stack_power()
    for file in lab.state.glob("pirack.db*"):
        file.unlink()
    done = run(lab, option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"dhcp_installer: {lab.database.path}: the database was lost: ")
    assert done.stderr.count("\n") == 1
    assert not lab.database.path.exists()
    assert lab.virtual.stack_power() == power_changes


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--dhcp-server", "isc", "'isc' is neither unit:UNIT nor auto-reload"),
        ("--dhcp-log", "/var/log/syslog", "is neither journal:UNIT nor file:PATH"),
        ("--ping", "udp", "'udp' is neither icmp nor tcp:PORT"),
        ("--strategy", "guess", "'guess' is not one of 'cut', 'one-by-one'"),
    ],
)
def test_invalid_option_value_is_reported(option: str, value: str, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dhcp_installer", option, value],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert error in done.stderr


@pytest.mark.parametrize("lab", [LONG_CUT_SECONDS], indirect=True)
def test_ctrl_c_stops_and_undoes_the_install(lab: InstallFixture) -> None:
    with subprocess.Popen(
        installer_argv(lab, "--yes"), env=environment(lab), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "power-cycling" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 1
    assert lines[-1] == "stopped\n"
    assert lab.config_path.read_text() == INITIAL_CONFIG
    assert lab.power == [True, True]


def test_terminal_asks_for_confirmation_and_displays_live_progress(lab: InstallFixture) -> None:
    terminal, child_terminal = pty.openpty()
    with subprocess.Popen(
        installer_argv(lab), env={**environment(lab), "TERM": "xterm", "COLUMNS": "120"},
        stdin=child_terminal, stdout=child_terminal, stderr=child_terminal,
    ) as process:  # fmt: skip
        os.close(child_terminal)
        output = b""

        def output_contains(text: bytes) -> bool:
            nonlocal output
            with suppress(OSError):  # the process has closed the terminal
                output += os.read(terminal, 65536)
            return text in output or process.poll() is not None

        wait_until(lambda: output_contains(b"[y/N]"))
        assert b"Cut the power of all 2 stacks of lab several times?" in output
        os.write(terminal, b"y\n")
        wait_until(lambda: output_contains(b"\ndone"))
        assert process.wait(TIMEOUT_SECONDS) == 0
    os.close(terminal)
    text = output.decode()
    assert "discover, 1 of 2 stacks, 4 of 4 rasps, at most 0:00 left" in text
    assert "4 of 4 rasps reply at their addresses" in text
