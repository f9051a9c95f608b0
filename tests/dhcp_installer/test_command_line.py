"""`python -m dhcp_installer`, as people and programs start it."""

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
from tests.dhcp_installer.install_fixture import InstallFixture, running_fixture
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack.loopback import PING_PORT

BY_HAND = "# ours\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallFixture]:
    with running_fixture(tmp_path) as lab:
        lab.config_path.write_text(BY_HAND)
        yield lab


def installer_argv(lab: InstallFixture, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "dhcp_installer", *options),
        *("--rack", str(lab.layout_path), "--db", str(lab.database.path)),
        *("--dhcpd-conf", str(lab.config_path), "--dhcp-log", f"file:{lab.log_path}"),
        *("--dhcp-server", "watching", "--ping", f"tcp:{PING_PORT}"),
    ]


def environment(lab: InstallFixture) -> Mapping[str, str]:
    own = {"GPIOZERO_PIN_FACTORY": "virtual_rack", "PIRACK_VIRTUAL_RACK": str(lab.state)}
    return os.environ | own


def run(lab: InstallFixture, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        installer_argv(lab, *options),
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_steps_are_printed_a_line_each_where_there_is_no_terminal(lab: InstallFixture) -> None:
    done = run(lab, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "done"
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines[:-1])
    assert lines[-2].endswith("4 of 4 rasps answer at their addresses")
    assert lab.known_rasps == lab.rasps


def test_programs_get_an_object_a_line_and_how_it_ended(lab: InstallFixture) -> None:
    done = run(lab, "--yes", "--json", "--strategy", "one-by-one")
    assert (done.returncode, done.stderr) == (0, "")
    objects: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert objects[-1] == {"state": "done", "trouble": ""}
    assert {each["stage"] for each in objects[:-1]} >= {"check", "discover", "verify"}
    assert objects[-2]["found"]["1"] == ["b8:27:eb:23:01:01", "b8:27:eb:23:01:02"]


def test_nothing_is_cut_unless_somebody_says_so(lab: InstallFixture) -> None:
    moves = lab.virtual.stack_power()
    done = run(lab)
    assert done.returncode == 2
    assert done.stderr == (
        "there is no terminal to ask at whether all stacks may be cut: add --yes\n"
    )
    assert lab.virtual.stack_power() == moves


def test_a_dry_run_shows_the_diff(lab: InstallFixture) -> None:
    lab.inventory.replace(lab.rasps)
    done = run(lab, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"--- {lab.config_path}\n+++ {lab.config_path} (new)\n")
    assert "+host rasp-01-1 {" in done.stdout
    assert lab.config_path.read_text() == BY_HAND


def test_where_the_controller_runs_it_has_the_relays(lab: InstallFixture) -> None:
    with exclusive_access(lab.database.path, CONTROLLER):
        done = run(lab, "--yes")
    assert (done.returncode, done.stderr) == (2, "the controller runs: use `pirack install`\n")


def test_two_installers_do_not_pull_at_the_same_relays(lab: InstallFixture) -> None:
    with exclusive_access(lab.database.path, "installer"):
        done = run(lab, "--yes")
    assert done.returncode == 2
    assert done.stderr.startswith(f"another installer (process {os.getpid()}) runs with ")


@pytest.mark.parametrize(
    ("option", "wrong", "why"),
    [
        ("--dhcp-server", "isc", "'isc' is neither unit:UNIT nor watching"),
        ("--dhcp-log", "/var/log/syslog", "is neither journal:UNIT nor file:PATH"),
        ("--ping", "udp", "'udp' is neither icmp nor tcp:PORT"),
        ("--strategy", "guess", "invalid choice: 'guess'"),
    ],
)
def test_a_wrong_option_is_told(lab: InstallFixture, option: str, wrong: str, why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dhcp_installer", option, wrong],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert why in done.stderr


def test_ctrl_c_stops_it_safely(lab: InstallFixture) -> None:
    with subprocess.Popen(
        installer_argv(lab, "--yes"), env=environment(lab), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "are cut" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 1
    assert said[-1] == "stopped\n"
    assert lab.config_path.read_text() == BY_HAND
    assert lab.power == [True, True]


def test_in_a_terminal_it_asks_and_shows_how_far_it_is(lab: InstallFixture) -> None:
    here, there = pty.openpty()
    with subprocess.Popen(
        installer_argv(lab), env={**environment(lab), "TERM": "xterm", "COLUMNS": "120"},
        stdin=there, stdout=there, stderr=there,
    ) as process:  # fmt: skip
        os.close(there)
        shown = b""

        def reads(text: bytes) -> bool:
            nonlocal shown
            with suppress(OSError):  # the terminal is gone when its last program is
                shown += os.read(here, 65536)
            return text in shown or process.poll() is not None

        wait_until(lambda: reads(b"Go on? [y/N]"))
        assert b"All 2 stacks of lab are cut, several times, whatever runs on them." in shown
        os.write(here, b"y\n")
        wait_until(lambda: reads(b"\ndone"))
        assert process.wait(TIMEOUT_SECONDS) == 0
    os.close(here)
    text = shown.decode()
    assert "discover, 1 of 2 stacks, 4 of 4 rasps, 0:00 left at most" in text
    assert "4 of 4 rasps answer at their addresses" in text
