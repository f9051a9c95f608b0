"""Power driver `command` with programs."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rack.clock import Moment
from rack.power.contract import RemoteDriverContract
from rack.power.drivers.command import CommandDriver, CommandSettings, parse_status
from rack.power.state import OutletReading
from tests.helpers.waiting import wait_until
from virtual_rack.faults import Fault
from virtual_rack.outlets.command import CommandProgram

OUTLETS = ("1-1:2", "a", "b")


def now() -> Moment:
    return Moment(time.monotonic(), time.time())


def settings_for(program: Path | str, **options: Any) -> CommandSettings:
    defaults = {
        "on": [str(program), "on", "{address}"],
        "off": [str(program), "off", "{address}"],
        "status": [str(program), "read", "{address}"],
        "watts_pattern": "([0-9.]+) W",
        "timeout_seconds": 60.0,
    }
    return CommandSettings.model_validate(defaults | options)


@pytest.mark.process
class TestCommandDriver(RemoteDriverContract):
    driver_class = CommandDriver

    @pytest.fixture
    def program(self, tmp_path: Path) -> Iterator[CommandProgram]:
        with CommandProgram(OUTLETS, tmp_path / "program") as program:
            yield program

    @pytest.fixture
    def settings(self, program: CommandProgram) -> CommandSettings:
        return settings_for(program.path)

    @pytest.fixture
    def addresses(self) -> Sequence[str]:
        return OUTLETS

    @pytest.fixture
    def invalid_address(self) -> str:
        return "../a b"

    @pytest.fixture
    def supplies_power(self, program: CommandProgram) -> Callable[[str], bool]:
        return program.outlets.is_on

    @pytest.fixture
    def unreachable(self) -> CommandSettings:
        return settings_for("sleep", timeout_seconds=1.0, status=["sleep", "600"],
                            off=["sleep", "600"])  # fmt: skip

    def test_watts_are_in_the_output(
        self, settings: CommandSettings, program: CommandProgram
    ) -> None:
        program.outlets.set("a", power=False)
        assert CommandDriver("usb", settings).read(["a", "b"]) == {
            "a": OutletReading(False, watts=0.0),
            "b": OutletReading(True, watts=3.0),
        }

    def test_outlet_that_refuses_does_not_keep_the_others_from_switching(
        self, settings: CommandSettings, program: CommandProgram
    ) -> None:
        program.inject_fault(Fault.OUTLET_REFUSES, ["a"])
        results = CommandDriver("usb", settings).switch(dict.fromkeys(OUTLETS, False), now)
        assert [address for address, result in results.items() if result.error] == ["a"]
        assert results["a"].error == (
            f"usb:a (command): {program.path} ended with exit status 1"
            " (outlet a cannot be switched): run the command `off` as the user pirack"
        )
        assert [address for address in OUTLETS if program.outlets.is_on(address)] == ["a"]

    def test_outlet_that_lies_is_found_by_reading_it_back(self, program: CommandProgram) -> None:
        program.inject_fault(Fault.OUTLET_LIES, ["a"])
        driver = CommandDriver("usb", settings_for(program.path, timeout_seconds=5.0))
        result = driver.switch({"a": False}, now)["a"]
        assert "accepted the command `off`, but the outlet is still on" in result.error
        assert result.after is None

    def test_outlet_without_a_status_command_is_switched_but_not_verified(
        self, program: CommandProgram
    ) -> None:
        driver = CommandDriver("usb", settings_for(program.path, status=[]))
        result = driver.switch({"a": False}, now)["a"]
        assert (result.error, result.is_verified) == ("", False)
        assert not program.outlets.is_on("a")
        reading = driver.read(["a"])["a"]
        assert (reading.power, reading.error) == (None, "")
        assert "no command `status`" in reading.detail


@pytest.mark.process
def test_all_processes_of_a_command_end_at_the_timeout(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; wait"
    driver = CommandDriver(
        "usb", settings_for("sh", status=["sh", "-c", script], timeout_seconds=2.0)
    )
    assert driver.read(["a"])["a"].error == (
        "usb:a (command): sh did not end within 2 s and was killed:"
        " check the device, or set timeout_seconds"
    )
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_running(child))


@pytest.mark.process
def test_process_that_a_command_leaves_behind_does_not_delay_the_reading(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo on"
    driver = CommandDriver("usb", settings_for("sh", status=["sh", "-c", script]))
    assert driver.read(["a"])["a"].power is True
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.process
def test_endless_output_ends_the_command() -> None:
    driver = CommandDriver("usb", settings_for("yes", status=["yes"]))
    error = driver.read(["a"])["a"].error
    assert error == (
        "usb:a (command): yes printed more than 65536 bytes and was killed:"
        " correct the command `status`"
    )


@pytest.mark.process
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (["/nonexistent/pdu"], "/nonexistent/pdu cannot be run: No such file or directory"),
        (["sh", "-c", "exit 3"], "sh ended with exit status 3: run the command `status`"),
        (["sh", "-c", "echo off; exit 1"], "sh ended with exit status 1 (off)"),
        (["sh", "-c", "kill -9 $$"], f"sh was killed by signal {signal.SIGKILL:d}"),
        (["sh", "-c", "echo one; echo 'two\x1b[31m' >&2; exit 1"], "(two[31m)"),
        (["true"], "the output '' of `status` matches neither on_pattern nor off_pattern"),
    ],
)
def test_failed_status_is_unknown(status: list[str], error: str) -> None:
    reading = CommandDriver("usb", settings_for("x", status=status)).read(["a"])["a"]
    assert reading.power is None
    assert error in reading.error


@pytest.mark.process
def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'w').write(repr(sys.argv[2:]))"
    output = tmp_path / "output"
    arguments = [sys.executable, "-c", script, str(output), "$HOME; {address} *", "{other}"]
    driver = CommandDriver("usb", settings_for("x", on=arguments, status=[]))
    assert driver.switch({"1-1:2": True}, now)["1-1:2"].error == ""
    assert output.read_text() == "['$HOME; 1-1:2 *', '{other}']"


@pytest.mark.process
def test_number_of_commands_at_the_same_time_is_limited(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "folder = Path(sys.argv[1]); (folder / str(os.getpid())).touch(); time.sleep(0.2)\n"
        "count = len(list(folder.iterdir())); (folder / str(os.getpid())).unlink()\n"
        "sys.exit(f'{count} at the same time' if count > 1 else None)"
    )
    folder = tmp_path / "running"
    folder.mkdir()
    on = [sys.executable, "-I", "-S", "-c", script, str(folder)]
    driver = CommandDriver("usb", settings_for("x", on=on, status=[], parallel=1))
    results = driver.switch(dict.fromkeys(OUTLETS, True), now)
    assert [result.error for result in results.values()] == ["", "", ""]


UHUBCTL = CommandSettings(
    on=("uhubctl",), off=("uhubctl",), on_pattern=r"port \d: \w+ power", off_pattern=r": 0000 off"
)


@pytest.mark.parametrize(
    ("output", "power"),
    [("  Port 2: 0503 power highspeed enable connect [0bda:8153]\n", True),
     ("  Port 2: 0000 off\n", False)],
)  # fmt: skip
def test_patterns_select_the_power_in_the_output(output: str, power: bool) -> None:
    assert parse_status(UHUBCTL, output) == OutletReading(power)


@pytest.mark.parametrize(
    ("output", "power"),
    [("on\n", True), ("1", True), (" True \n", True), ("off", False), ("0\n", False),
     ("outlet a\nOFF\n", False), ("only", None), ("on\noff", None), ("10", None)],
)  # fmt: skip
def test_default_patterns_match_lines(output: str, power: bool | None) -> None:
    settings = CommandSettings(on=("x",), off=("x",), status=("x",))
    reading = parse_status(settings, output)
    assert reading.power is power
    assert bool(reading.error) is (power is None)


@pytest.mark.parametrize(
    ("output", "watts"),
    [("on\n12.5 W", 12.5), ("on\n1.2.3 W", None), ("on", None)],
)
def test_output_without_a_number_has_no_watts(output: str, watts: float | None) -> None:
    settings = CommandSettings(on=("x",), off=("x",), status=("x",), watts_pattern="([0-9.]+) W")
    assert parse_status(settings, output) == OutletReading(True, watts)


@pytest.mark.parametrize("address", ["", "-a", "a b", "a\n", "$(reboot)", "a" * 64, "ä"])
def test_address_that_could_be_an_option_or_is_not_printable_is_rejected(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address: use up to 63 letters"):
        CommandDriver.normalize_address(UHUBCTL, address)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"on": []}, "at least 1 item"),
        ({"on": "/usr/bin/pdu on"}, "valid tuple"),
        ({"on_pattern": "("}, "not a regular expression"),
        ({"watts_pattern": "[0-9.]+ W"}, "has no group: put the number in parentheses"),
        ({"parallel": 0}, "greater than or equal to 1"),
    ],
)
def test_invalid_settings_are_rejected(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings_for("x", **options)
    assert problem in str(error.value)
