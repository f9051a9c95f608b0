"""Reservation commands against the application of the controller."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.reservations.model import Quota
from controller.reservations.service import ReservationService
from tests.helpers.forked_program import run_program

pytestmark = pytest.mark.process

SECTION = (
    Path("docs/reference/cli.md")
    .read_text(encoding="utf-8")
    .partition("\n## Reservations\n")[2]
    .partition("\n## ")[0]
)
EXAMPLES = re.findall(r"^\$ (.+)\n((?:.|\n)*?)```", SECTION, re.MULTILINE)

RunAs = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_as(url: str, environment: dict[str, str], access: AccessControl) -> RunAs:
    """Run `pirack` with the token of a user, who is an admin if the name is `root`."""
    secrets: dict[str, str] = {}

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if name not in secrets:
            secrets[name] = access.tokens.add(name, Role.ADMIN if name == "root" else Role.OPERATOR)
        variables = environment | {"PIRACK_URL": url, "PIRACK_TOKEN": secrets[name]}
        return run_program("cli", arguments, environment=variables)

    return run


def _without_times(text: str) -> list[str]:
    """Return the lines without columns and times of day."""
    lines = re.sub(r"until [-0-9: ]+\d", "until TIME", text).splitlines()
    return [" ".join(line.split()) for line in lines]


def test_examples_of_the_documentation_print_their_output(run_as: RunAs) -> None:
    assert len(EXAMPLES) == 4
    for line, expected in EXAMPLES:
        command = shlex.split(line)[1:]
        name = "root" if command[0] == "quota" else "cli-anna"
        assert _without_times(run_as(name, *command).stdout) == _without_times(expected), line


def test_lecturer_limits_a_class_and_students_wait_in_the_queue(
    run_as: RunAs, reservations: ReservationService
) -> None:
    run_as("root", "quota", "class", "--stacks", "3", "--minutes", "20", "--member", "student-*")
    for number in range(1, 8):
        reservations.reserve(f"token:student-{number}", "3 stacks", 20 * 60)
    reserved = run_as("student-8", "reserve", "3 stacks", "--for", "20m").stdout
    assert reserved == "queued: 4th, about 20 min (reservation 8)\n"
    refused = run_as("student-1", "reserve", "1 stack", "--for", "1m")
    assert refused.returncode == 3
    assert "quota class allows 3 stacks at the same time" in refused.stderr
    assert run_as("student-1", "hand-back", "1").stdout == "ended: handed back (reservation 1)\n"
    assert "5   token:student-5  active  stacks 01 02 03" in run_as("root", "reservations").stdout


def test_only_the_owner_extends_and_an_admin_takes_over(run_as: RunAs) -> None:
    run_as("anna", "reserve", "stack", "5", "--for", "1h30m")
    assert "stack 05 until" in run_as("anna", "extend", "1", "--for", "10m").stdout
    other = run_as("ben", "extend", "1", "--for", "10m")
    assert (other.returncode, "belongs to token:anna" in other.stderr) == (3, True)
    assert run_as("ben", "take-over", "1").returncode == 3
    assert "active: stack 05" in run_as("root", "take-over", "1").stdout
    assert "token:root" in run_as("anna", "reservations").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["reserve", "13 stacks", "--for", "20m"], "13 stacks"),
        (["reserve", "3 stacks", "--for", "20"], "write 20m, 1h30m or 90s"),
        (["quota", "class", "--stacks", "3"], "add --stacks and --minutes"),
        (["hand-back", "7"], "no reservation 7"),
        (["quota", "class", "--remove"], "no quota 'class'"),
    ],
)
def test_wrong_commands_are_refused_with_a_fix(
    run_as: RunAs, arguments: list[str], error: str
) -> None:
    result = run_as("root", *arguments)
    assert (result.returncode, error in result.stderr) == (2, True), result.stderr


def test_quotas_are_listed_and_removed(run_as: RunAs, reservations: ReservationService) -> None:
    reservations.quotas.save(Quota("class", ("s-*",), stacks=3, seconds=1200))
    assert "class  3       20 min  s-*" in run_as("root", "quota").stdout
    assert run_as("root", "quota", "class", "--remove").returncode == 0
    assert run_as("root", "quota").stdout == "No quotas.\n"
