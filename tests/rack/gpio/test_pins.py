"""Tests of relays on lines that a holder keeps, with the changes that the kernel sees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rack.errors import RelayError
from rack.power import commanded_power
from rack.settings import Contact, RelayBoard
from tests.helpers.stack_relays import StackRelays
from tests.helpers.waiting import wait_until
from tests.rack.gpio.relay_master import BOOT, RelayMaster, running_master

# active_high, contact, power of the stack, expected state of the pin
WIRINGS: list[tuple[bool, Contact, bool, str]] = [
    (True, "normally_open", True, "high"),
    (True, "normally_open", False, "low"),
    (True, "normally_closed", True, "low"),
    (True, "normally_closed", False, "high"),
    (False, "normally_open", True, "low"),
    (False, "normally_open", False, "high"),
    (False, "normally_closed", True, "high"),
    (False, "normally_closed", False, "low"),
]

each_wiring = pytest.mark.parametrize(("active_high", "contact", "is_on", "state"), WIRINGS)


@pytest.fixture
def master(tmp_path: Path) -> Iterator[RelayMaster]:
    with running_master(tmp_path) as master:
        yield master


@each_wiring
def test_pin_is_claimed_once_at_commanded_level_after_a_boot(
    master: RelayMaster, active_high: bool, contact: Contact, is_on: bool, state: str
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=is_on, boot_id="earlier")
    assert master.make_relays().error == ""
    assert master.kernel.changes == [(16, state), (17, state)]


@each_wiring
def test_start_does_not_change_a_driven_pin(
    master: RelayMaster, active_high: bool, contact: Contact, is_on: bool, state: str
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=is_on)
    for pin in (16, 17):
        master.kernel.drive(pin, high=state == "high")
    master.kernel.changes.clear()
    relays = master.make_relays()
    assert master.kernel.changes == []
    assert [relays.commanded(stack).outlet_differs for stack in (1, 2)] == [False, False]


@each_wiring
def test_input_pin_is_claimed_at_rest_if_the_master_has_not_booted(
    master: RelayMaster, active_high: bool, contact: Contact, is_on: bool, state: str
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=is_on)
    relays = master.make_relays()
    at_rest = "low" if active_high else "high"
    assert master.kernel.changes == [(16, at_rest), (17, at_rest)]
    assert relays.commanded(1).outlet_differs == (state != at_rest)


def test_output_of_an_ended_process_is_read_and_a_difference_is_reported(
    master: RelayMaster,
) -> None:
    master.set_commanded(is_on=False)
    master.kernel.drive(16, high=True)
    master.kernel.drive(17, high=False)  # an order for stack 2 was interrupted
    master.kernel.changes.clear()
    relays = master.make_relays()
    assert master.kernel.changes == []
    assert [relays.commanded(stack).outlet_differs for stack in (1, 2)] == [False, True]


@each_wiring
def test_command_changes_its_pin_once(
    master: RelayMaster, active_high: bool, contact: Contact, is_on: bool, state: str
) -> None:
    master.board = RelayBoard(active_high=active_high, contact=contact)
    master.set_commanded(is_on=not is_on, boot_id="earlier")
    relays = master.make_relays()
    master.kernel.changes.clear()
    (relays.on if is_on else relays.off)(2)
    assert master.kernel.changes == [(17, state)]


def test_closing_pins_devices_and_factory_changes_no_pin(master: RelayMaster) -> None:
    devices: Any = list(master.make_relays().driver._relays.values())
    master.kernel.changes.clear()
    for device in devices:
        factory = device.pin_factory
        device.pin.close()
        device.close()
    factory.close()
    assert master.kernel.changes == []
    assert master.kernel.is_requested(16)


@pytest.mark.parametrize("contact", ["normally_closed", "normally_open"])
def test_stack_without_command_keeps_power_of_undriven_pin(
    master: RelayMaster, contact: Contact
) -> None:
    master.board = RelayBoard(active_high=True, contact=contact)
    relays = master.make_relays()
    assert relays.is_on(1) == (contact == "normally_closed")
    assert master.kernel.changes == [(16, "low"), (17, "low")]


def test_stack_without_command_keeps_power_of_driven_pin(master: RelayMaster) -> None:
    master.board = RelayBoard(active_high=True, contact="normally_open")
    master.kernel.drive(17, high=True)
    relays = master.make_relays()
    assert (relays.is_on(1), relays.is_on(2)) == (False, True)
    assert master.kernel.changes == [(17, "high"), (16, "low")]


def test_line_used_by_another_program_is_named_in_error(master: RelayMaster) -> None:
    master.kernel.occupy(17)
    assert "GPIO17 cannot be used: Device or resource busy" in master.make_relays().error


def test_failed_write_keeps_previous_commanded_power(master: RelayMaster) -> None:
    relays = master.make_relays()
    previous = relays.commanded(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(master.kernel, "_ioctl", lambda *_arguments: 5)
        with pytest.raises(
            RelayError, match="GPIO17 could not be switched: GPIO17 cannot be driven: Input/output"
        ):
            relays.off(2)
    saved = commanded_power.load_all(master.database, relays.rack)
    assert relays.commanded(2) == previous == saved[relays.rack.outlet(2)]


def controllers(master: RelayMaster) -> Iterator[StackRelays]:
    """Yield the relays of three controllers, one after the other, with stack 2 switched off."""
    master.make_relays().off(2)
    master.kernel.changes.clear()
    for _ in range(2):
        yield master.make_relays()


@pytest.mark.parametrize("persists", [True, False])
def test_restart_of_the_controller_changes_no_pin_on_any_kernel(
    tmp_path: Path, *, persists: bool
) -> None:
    with running_master(tmp_path, persists=persists) as master:
        for relays in controllers(master):
            assert [relays.has_power(stack) for stack in (1, 2)] == [True, False]
        assert master.kernel.changes == []


@pytest.mark.parametrize("persists", [True, False])
def test_killed_holder_changes_no_pin_on_any_kernel(tmp_path: Path, *, persists: bool) -> None:
    with running_master(tmp_path, persists=persists) as master:
        relays = next(controllers(master))
        master.kill_holder()
        assert master.kernel.changes == []
        relays.off(1)
        relays.on(2)
        assert master.kernel.changes == [(16, "high"), (17, "low")]
        master.kill_holder()
        relays = master.make_relays()
        assert [relays.has_power(stack) for stack in (1, 2)] == [False, True]
        assert master.kernel.changes == [(16, "high"), (17, "low")]


def test_stopped_holder_keeps_pins_if_the_kernel_persists(tmp_path: Path) -> None:
    with running_master(tmp_path, persists=True) as master:
        next(controllers(master))
        master.stop_holder()
        wait_until(lambda: not master.kernel.is_requested(17))
        master.start_holder()
        relays = master.make_relays()
        assert [relays.has_power(stack) for stack in (1, 2)] == [True, False]
        assert master.kernel.changes == []


def test_pins_released_by_a_stopped_holder_stay_at_rest_and_are_reported(tmp_path: Path) -> None:
    with running_master(tmp_path, persists=False) as master:
        next(controllers(master))
        master.stop_holder()
        wait_until(lambda: master.kernel.state(17) == "input")
        master.start_holder()
        relays = master.make_relays()
        assert (relays.is_on(2), relays.has_power(2)) == (False, True)
        assert (17, "high") not in master.kernel.changes


def test_line_that_was_stored_but_not_driven_before_a_kill_is_still_an_input(
    tmp_path: Path,
) -> None:
    with running_master(tmp_path, persists=False) as master:
        assert master.client().request("read", line=17) == {"is_output": False, "is_high": False}
        master.kill_holder()
        assert master.client().request("read", line=17)["is_output"] is False
        assert master.client().request("status")["lines"] == [17]
        master.set_commanded(is_on=False, boot_id="earlier than " + BOOT)
        assert master.make_relays().error == ""
        assert master.kernel.changes == [(16, "high"), (17, "high")]
