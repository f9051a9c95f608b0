"""Tests of latching pins, which check the calls to lgpio."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gpiozero.pins import local

from rack import commanded_power
from rack.commanded_power import CommandedPower
from rack.database import Database
from rack.errors import RelayError
from rack.layout_file import load
from rack.relays import Relays
from rack.settings import Contact, RelayBoard
from tests.rack.fake_lgpio import FakeLgpio

ROOT = Path(__file__).parents[2]
PI_4B = 0xC03112
BOOT = "11111111-1111-4111-8111-111111111111"

WHOLE_RACK = load(ROOT / "rack.toml")
RACK_OF_2 = replace(WHOLE_RACK, stacks=WHOLE_RACK.stacks[:2])  # on pins 16 and 17

# active_high, contact, power of the stack, expected level of the pin
WIRINGS: list[tuple[bool, Contact, bool, int]] = [
    (True, "normally_open", True, 1),
    (True, "normally_open", False, 0),
    (True, "normally_closed", True, 0),
    (True, "normally_closed", False, 1),
    (False, "normally_open", True, 0),
    (False, "normally_open", False, 1),
    (False, "normally_closed", True, 1),
    (False, "normally_closed", False, 0),
]


class FakeMaster:
    """A Raspberry Pi with relays on two lines."""

    def __init__(self, folder: Path, lines: FakeLgpio, pins: ModuleType) -> None:
        self.lines = lines
        self.board = RelayBoard(active_high=True, contact="normally_closed")
        self.database = Database(folder / "pirack.db")
        self._folder = folder
        self._pins = pins
        (folder / "boot_id").write_text(f"{BOOT}\n")
        for chip in lines.labels:
            (folder / f"gpiochip{chip}").touch()

    def set_commanded(self, *, is_on: bool, boot_id: str = BOOT) -> None:
        power = CommandedPower(is_on, 0.0, boot_id)
        commanded_power.save(self.database, {1: power, 2: power})

    def make_relays(self) -> Relays:
        return Relays(
            replace(RACK_OF_2, relays=self.board),
            self.database,
            factory=lambda: self._pins.LatchingFactory(self._folder),
            boot_id=self._folder / "boot_id",
        )


@pytest.fixture
def labels() -> dict[int, str]:
    return {0: "pinctrl-bcm2711", 1: "raspberrypi-exp-gpio"}


@pytest.fixture
def master(labels: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMaster:
    lines = FakeLgpio(labels)
    monkeypatch.setitem(sys.modules, "lgpio", lines)
    for name in ("gpiozero.pins.lgpio", "rack.latching_pins"):
        monkeypatch.setitem(sys.modules, name, lines)  # restored after the test
        del sys.modules[name]
    monkeypatch.setattr(local, "get_pi_revision", lambda: PI_4B)
    monkeypatch.setattr(local.LocalPiFactory, "pins", {})
    return FakeMaster(tmp_path, lines, importlib.import_module("rack.latching_pins"))


@pytest.mark.parametrize(("active_high", "contact", "is_on", "level"), WIRINGS)
@pytest.mark.parametrize("has_booted", [True, False])
def test_pin_is_claimed_once_at_commanded_level(
    master: FakeMaster,
    active_high: bool,
    contact: Contact,
    is_on: bool,
    level: int,
    has_booted: bool,
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=is_on, boot_id="earlier" if has_booted else BOOT)
    if not has_booted:
        master.lines.output_levels = {16: level, 17: level}
    assert master.make_relays().error == ""
    assert master.lines.calls == [("claim_output", 16, level), ("claim_output", 17, level)]


@pytest.mark.parametrize(("active_high", "contact", "is_on", "level"), WIRINGS)
def test_input_pin_is_claimed_at_rest_if_the_master_has_not_booted(
    master: FakeMaster, active_high: bool, contact: Contact, is_on: bool, level: int
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=is_on)
    relays = master.make_relays()
    at_rest = int(not active_high)
    assert master.lines.calls == [("claim_output", 16, at_rest), ("claim_output", 17, at_rest)]
    assert relays.commanded(1).relay_differs == (level != at_rest)


def test_output_of_an_ended_process_is_not_read_and_gets_the_commanded_level(
    master: FakeMaster,
) -> None:
    master.set_commanded(is_on=False)
    master.lines.output_levels = {16: 1, 17: 0}  # an order for stack 2 was interrupted
    relays = master.make_relays()
    assert master.lines.calls == [("claim_output", 16, 1), ("claim_output", 17, 1)]
    assert [relays.commanded(stack).relay_differs for stack in (1, 2)] == [False, False]


@pytest.mark.parametrize(("active_high", "contact", "is_on", "level"), WIRINGS)
def test_command_writes_pin_once(
    master: FakeMaster, active_high: bool, contact: Contact, is_on: bool, level: int
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=not is_on)
    relays = master.make_relays()
    master.lines.calls.clear()
    (relays.on if is_on else relays.off)(2)
    assert master.lines.calls == [("write", 17, level)]


def test_closing_pins_devices_and_factory_makes_no_lgpio_call(master: FakeMaster) -> None:
    devices: Any = master.make_relays()._relays.values()
    master.lines.calls.clear()
    for device in devices:
        factory = device.pin_factory
        device.pin.close()
        device.close()
    factory.close()
    assert master.lines.calls == []
    assert master.lines.open_chips == {0}


@pytest.mark.process
def test_interpreter_exit_makes_no_lgpio_call(tmp_path: Path) -> None:
    program = """
import atexit, sys
from pathlib import Path
import pytest
from tests.rack import test_latching_pins as tests

lines = tests.FakeLgpio({0: "pinctrl-bcm2711"})
atexit.register(lambda: print(lines.calls))  # registered first, runs last
sys.modules["lgpio"] = lines
tests.local.get_pi_revision = lambda: tests.PI_4B
import rack.latching_pins
relays = tests.FakeMaster(Path(sys.argv[1]), lines, rack.latching_pins).make_relays()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "[('claim_output', 16, 0), ('claim_output', 17, 0)]\n"


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        ({0: "pinctrl-bcm2835"}, 0),
        ({0: "pinctrl-bcm2711", 1: "raspberrypi-exp-gpio"}, 0),
        ({0: "gpio-brcmstb@107d508500", 4: "pinctrl-rp1"}, 4),
        ({0: "pinctrl-rp1", 10: "gpio-brcmstb@107d508500"}, 0),
    ],
)
def test_chip_of_header_is_found_by_label(master: FakeMaster, number: int) -> None:
    assert master.make_relays().error == ""
    assert master.lines.open_chips == {number}


@pytest.mark.parametrize("labels", [{}, {0: "gpio-mockup-A"}])
def test_missing_header_is_reported_as_relay_error(master: FakeMaster) -> None:
    relays = master.make_relays()
    assert "is a Raspberry Pi's header that this user can open" in relays.error
    assert "\n" not in relays.error
    with pytest.raises(RelayError, match="header"):
        relays.is_on(1)


def test_line_used_by_another_program_is_named_in_error(master: FakeMaster) -> None:
    master.lines.busy_lines = {17}
    assert "GPIO17 cannot be claimed: GPIO busy" in master.make_relays().error


@pytest.mark.parametrize("contact", ["normally_closed", "normally_open"])
def test_stack_without_command_keeps_power_of_undriven_pin(
    master: FakeMaster, contact: Contact
) -> None:
    master.board = RelayBoard(active_high=True, contact=contact)
    relays = master.make_relays()
    assert relays.is_on(1) == (contact == "normally_closed")
    assert master.lines.output_levels == {16: 0, 17: 0}


def test_line_driven_by_another_program_is_not_read_and_powers_stack(master: FakeMaster) -> None:
    master.board = RelayBoard(active_high=True, contact="normally_open")
    master.lines.output_levels = {17: 0}
    relays = master.make_relays()
    assert (relays.is_on(1), relays.is_on(2)) == (False, True)
    assert master.lines.calls == [("claim_output", 16, 0), ("claim_output", 17, 1)]


def test_failed_write_keeps_previous_commanded_power(
    master: FakeMaster,
) -> None:
    relays = master.make_relays()
    previous = relays.commanded(2)
    master.lines.broken_lines = {17}
    with pytest.raises(RelayError, match="stack 2 could not be switched: GPIO17 cannot be driven"):
        relays.off(2)
    assert relays.commanded(2) == previous == commanded_power.load_all(master.database)[2]
