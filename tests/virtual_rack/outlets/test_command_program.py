"""Program that switches virtual outlets."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.threads import new_threads, running_threads
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from virtual_rack.faults import Fault
from virtual_rack.outlets.command import CommandProgram

pytestmark = pytest.mark.process


@pytest.fixture
def program(tmp_path: Path) -> Iterator[CommandProgram]:
    """A program in a folder with a long path, and a space in it."""
    with CommandProgram(["a", "b"], tmp_path / ("long " * 20)) as running:
        yield running


def run(program: CommandProgram, *arguments: str) -> tuple[int, str]:
    """Return the exit status, and the output with the errors."""
    result = subprocess.run(
        [program.path, *arguments],
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return result.returncode, result.stdout


def test_outlet_is_switched_and_read(program: CommandProgram) -> None:
    assert run(program, "read", "b") == (0, "on\n3.0 W\n")
    assert run(program, "off", "b") == (0, "")
    assert [program.outlets.is_on(address) for address in ("a", "b")] == [True, False]
    assert run(program, "read", "b") == (0, "off\n0.0 W\n")
    assert run(program, "on", "b") == (0, "")
    assert program.outlets.is_on("b")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["off", "c"], "no outlet c"),
        (["explode", "a"], "usage: outlet on|off|read ADDRESS"),
        ([], "usage: outlet on|off|read ADDRESS"),
    ],
)
def test_invalid_arguments_are_rejected(
    program: CommandProgram, arguments: list[str], error: str
) -> None:
    assert run(program, *arguments) == (1, f"{error}\n")


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (Fault.OUTLET_REFUSES, (1, "outlet a cannot be switched\n")),
        (Fault.OUTLET_LIES, (0, "")),
        (Fault.OUTLET_CREDENTIALS, (1, "permission denied\n")),
    ],
)
def test_outlet_with_a_fault_stays_on(
    program: CommandProgram, fault: Fault, result: tuple[int, str]
) -> None:
    program.inject_fault(fault, ["a"])
    assert run(program, "off", "a") == result
    assert program.outlets.is_on("a")
    program.clear_fault()
    assert run(program, "off", "a") == (0, "")


def test_program_does_not_end_while_the_device_is_away(program: CommandProgram) -> None:
    program.inject_fault(Fault.OUTLET_AWAY)
    with subprocess.Popen([program.path, "off", "a"]) as process:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            program.clear_fault(Fault.OUTLET_AWAY)
            assert process.wait(TIMEOUT_SECONDS) == 0
        finally:
            process.kill()
    assert not program.outlets.is_on("a")


def test_program_that_is_killed_while_the_device_is_away_switches_nothing(
    program: CommandProgram,
) -> None:
    program.inject_fault(Fault.OUTLET_AWAY)
    earlier_threads = running_threads()  # the server has one more for each program
    with subprocess.Popen([program.path, "off", "a"]) as process:
        wait_until(lambda: new_threads(earlier_threads))
        process.kill()
    program.clear_fault()
    wait_until(lambda: not new_threads(earlier_threads))
    assert program.outlets.is_on("a")


def test_program_of_a_stopped_device_reports_an_error(program: CommandProgram) -> None:
    program.close()
    status, output = run(program, "read", "a")
    assert status == 1
    assert output.startswith("the virtual outlets do not reply: ")
