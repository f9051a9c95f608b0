"""The command `pirack doctor`."""

import json
import re
from pathlib import Path

import pytest

from controller.doctor.finding import Finding, FindingSeverity
from tests.cli.conftest import RunPirack
from tests.controller.fakes import FakeRackState
from tests.helpers.waiting import free_port

pytestmark = pytest.mark.process

PAGE = Path("docs/reference/doctor.md").read_text(encoding="utf-8")
CLOCK = Finding(
    "clock",
    FindingSeverity.WARNING,
    "the clock of the master is not synchronized",
    "times in the audit log, of orders and of alerts are wrong",
    "`sudo timedatectl set-ntp true`",
)
UNKNOWN = Finding("backup", FindingSeverity.NOT_CHECKED, "no log\x1b[2J", "why", "fix")


def test_findings_are_printed_as_documented_with_status_1(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    [example] = re.findall(r"^\$ pirack doctor\n((?:.|\n)*?)```", PAGE, re.MULTILINE)
    rack_state.findings.append(CLOCK)
    completed = run("doctor")
    assert (completed.returncode, completed.stderr) == (1, "")
    assert completed.stdout == example


def test_check_that_was_not_made_is_printed_as_such(
    run: RunPirack, rack_state: FakeRackState
) -> None:
    rack_state.findings.append(UNKNOWN)
    completed = run("doctor")
    assert completed.returncode == 1
    assert completed.stdout == "NOT CHECKED backup: no log�[2J\n  why: why\n  fix: fix\n"
    response = json.loads(run("doctor", "--json").stdout)
    assert response["findings"][0]["severity"] == "not_checked"


def test_status_is_0_if_nothing_was_found(run: RunPirack) -> None:
    completed = run("doctor")
    assert (completed.returncode, completed.stdout) == (0, "1 checks, nothing found.\n")


def test_unreachable_controller_names_the_command_on_the_master(run: RunPirack) -> None:
    completed = run("doctor", at=f"http://127.0.0.1:{free_port()}")
    assert (completed.returncode, completed.stdout) == (3, "")
    assert completed.stderr.count("\n") == 1
    assert "On the master, `sudo pirack-controller doctor` makes the same checks" in (
        completed.stderr
    )
