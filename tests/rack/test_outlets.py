"""Tests of outlets of several power sources: relays, and two simulated switches."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from rack.clock import Moment
from rack.database import Database
from rack.errors import DatabaseError, UnknownTargetError
from rack.layout import GPIO, Outlet, Rack
from rack.layout_file import parse
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower, overdue_outlets
from rack.power.driver import AnyPowerDriver
from rack.power.drivers.gpio import GpioDriver
from rack.power.edges import PowerEdges, SwitchError
from rack.power.outlets import Outlets
from rack.power.state import OutletReading, SwitchResult
from tests.helpers.layouts import layout_text, relay_board
from tests.helpers.simulated_switch import (
    NO_REPLY,
    SIMULATED,
    SimulatedSwitch,
    SwitchDriver,
    SwitchSettings,
    install_drivers,
)
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.rack.relay_fixture import KilledError

START = 1000.0
EPOCH = 1_700_000_000.0
STACKS: list[dict[str, object]] = [
    {"pin": 16, "x": 0, "y": 0},
    {"outlet": "poe:5", "x": 1, "y": 0},
    {"outlets": ["poe:1", "plug:1"], "x": 2, "y": 0},
]


class Machine:
    """A master with a relay and two switches, the driver of which is installed."""

    def __init__(self, folder: Path, after_boot: str = "restore") -> None:
        sources = "".join(f"[power.{name}]\ndriver = 'simulated'\n" for name in ("poe", "plug"))
        text = layout_text(STACKS, relays={"after_boot": after_boot}, extra_tables=sources)
        self.rack: Rack = parse(text)
        self.database = Database(folder / "pirack.db")
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text("first\n")
        self.now = START
        self.poe, self.plug = SimulatedSwitch(), SimulatedSwitch()
        self.relay, self.stack, self.rasp, self.plugged = self.rack.outlets

    def start(self, **drivers: Any) -> Outlets:
        """Start, as the controller does. The relay is on mock pins, which start as inputs."""
        all_drivers: dict[str, AnyPowerDriver] = {
            GPIO: GpioDriver(GPIO, relay_board(self.rack), factory=MockFactory),
            "poe": SwitchDriver("poe", SwitchSettings(), self.poe),
            "plug": SwitchDriver("plug", SwitchSettings(), self.plug),
        }
        all_drivers |= drivers
        return Outlets(
            self.rack,
            self.database,
            drivers=all_drivers,
            boot_id=self.boot_id,
            clock=lambda: self.now,
            wall_clock=lambda: EPOCH + self.now,
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def saved(self, outlet: Outlet) -> CommandedPower | None:
        return commanded_power.load_all(self.database, self.rack).get(outlet)

    def saved_edges(self) -> list[tuple[str, bool]]:
        edges = PowerEdges(self.database).list_recent(100)[::-1]
        return [(edge.name, edge.is_on) for edge in edges]

    def reboot(self) -> None:
        """Reboot the master. The switches keep their power."""
        self.boot_id.write_text("second\n")
        self.now = 7.0


@pytest.fixture
def make_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    install_drivers(monkeypatch, tmp_path / "packages", simulated=SIMULATED)
    return lambda **options: Machine(tmp_path, **options)


@pytest.fixture
def machine(make_machine: Callable[..., Machine]) -> Machine:
    return make_machine()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_start_neither_reads_nor_switches_a_switch_and_its_power_is_unknown(
    machine: Machine,
) -> None:
    outlets = machine.start()
    assert outlets.has_power(machine.relay) is True
    for outlet in (machine.stack, machine.rasp, machine.plugged):
        assert outlets.has_power(outlet) is None
        assert outlets.commanded(outlet) is None
    assert list(outlets.all_commanded()) == [machine.relay]
    assert outlets.source_errors == {}
    assert machine.poe.calls == machine.plug.calls == []


def test_first_reading_is_adopted_and_known_after_a_restart(machine: Machine) -> None:
    machine.poe.ports["5"] = False
    readings = machine.start().refresh("poe")
    assert readings == {
        machine.stack: OutletReading(False, watts=3.5),
        machine.rasp: OutletReading(True, watts=3.5),
    }
    machine.poe.calls.clear()
    outlets = machine.start()
    assert [outlets.has_power(outlet) for outlet in readings] == [False, True]
    assert machine.poe.calls == []


def test_one_command_switches_outlets_of_all_sources_and_saves_their_edges(
    machine: Machine,
) -> None:
    outlets = machine.start()
    edges = outlets.switch(dict.fromkeys(machine.rack.outlets, False), at=START + 2, cause="x")
    assert {(edge.stack, edge.slot): edge.is_on for edge in edges} == {
        (1, None): False, (2, None): False, (3, 1): False, (3, 2): False,
    }  # fmt: skip
    assert {edge.planned for edge in edges} == {Moment(START + 2, EPOCH + START + 2)}
    assert sorted(machine.saved_edges()) == [
        ("01", False), ("02", False), ("03-1", False), ("03-2", False),
    ]  # fmt: skip
    assert machine.poe.calls == ["5 off", "1 off"]
    assert machine.plug.calls == ["1 off"]
    for outlet in machine.rack.outlets:
        saved = machine.saved(outlet)
        assert saved
        assert not saved.is_on
        assert outlets.has_power(outlet) is False


def test_repeated_command_has_no_edge(machine: Machine) -> None:
    outlets = machine.start()
    outlets.switch({machine.stack: False})
    assert outlets.switch({machine.stack: False}) == ()
    assert machine.saved_edges() == [("02", False)]


def test_slow_source_holds_up_no_other_source(
    machine: Machine, threads: ThreadPoolExecutor
) -> None:
    outlets = machine.start()
    machine.poe.responds.clear()
    order = threads.submit(outlets.switch, dict.fromkeys(machine.rack.outlets, False))
    wait_until(lambda: machine.poe.is_waiting)
    wait_until(lambda: outlets.has_power(machine.plugged) is False)
    wait_until(lambda: outlets.has_power(machine.relay) is False)
    outlets.switch({machine.relay: True, machine.plugged: True})
    outlets.refresh("plug")
    assert machine.plug.ports["1"]
    assert [outlets.has_power(each) for each in (machine.relay, machine.plugged)] == [True, True]
    assert not order.done()

    machine.poe.responds.set()
    assert len(order.result(TIMEOUT_SECONDS)) == 4
    assert outlets.has_power(machine.rasp) is False


def test_commands_for_one_source_are_executed_one_after_the_other(machine: Machine) -> None:
    outlets = machine.start()
    generator = random.Random(17)
    barrier = threading.Barrier(4)

    def switch(commands: list[bool]) -> None:
        barrier.wait(TIMEOUT_SECONDS)
        for is_on in commands:
            outlets.switch({machine.stack: is_on, machine.rasp: not is_on})

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(switch, [generator.random() < 0.5 for _ in range(10)])
    for outlet in (machine.stack, machine.rasp):
        saved = machine.saved(outlet)
        assert saved
        assert saved.is_on == machine.poe.ports[outlet.address]
    pairs = zip(machine.poe.calls[::2], machine.poe.calls[1::2], strict=True)
    assert {(first[0], second[0]) for first, second in pairs} == {("5", "1")}


def test_outlet_that_does_not_reply_fails_alone_and_its_power_is_unknown(machine: Machine) -> None:
    outlets = machine.start()
    outlets.refresh("poe")
    machine.poe.silent = {"5"}
    with pytest.raises(SwitchError) as caught:
        outlets.switch(dict.fromkeys(machine.rack.outlets, False), on_again_at=START + 5)
    assert caught.value.problems == {machine.stack: f"poe:5 (simulated): {NO_REPLY}"}
    assert {edge.name for edge in caught.value.edges} == {"01", "03-1", "03-2"}
    assert ("02", False) not in machine.saved_edges()
    assert outlets.has_power(machine.stack) is None
    previous = CommandedPower(is_on=True, since=START, boot_id="first")
    assert outlets.commanded(machine.stack) == machine.saved(machine.stack) == previous
    assert outlets.has_power(machine.rasp) is False
    assert overdue_outlets(outlets.all_commanded(), START + 5) == (
        machine.relay, machine.rasp, machine.plugged,
    )  # fmt: skip


def test_power_is_unknown_while_a_switch_is_away_and_nothing_is_switched_when_it_is_back(
    machine: Machine,
) -> None:
    outlets = machine.start()
    outlets.switch({machine.stack: False})
    machine.poe.calls.clear()
    machine.poe.silent = {"1", "5"}
    reading = outlets.refresh("poe")[machine.stack]
    assert (reading.power, reading.error) == (None, f"poe:5 (simulated): {NO_REPLY}")
    assert outlets.has_power(machine.stack) is None
    command = outlets.commanded(machine.stack)
    assert command
    assert not command.is_on

    machine.poe.silent = set()
    machine.poe.ports["5"] = True  # it restarted, and has forgotten its settings
    outlets.refresh("poe")
    assert outlets.has_power(machine.stack) is True
    command = outlets.commanded(machine.stack)
    assert command
    assert command.outlet_differs
    assert not command.is_on
    assert machine.poe.calls == ["read", "read"]

    [edge] = outlets.switch({machine.stack: False})
    assert edge.name == "02"
    assert not machine.poe.ports["5"]
    command = outlets.commanded(machine.stack)
    assert command
    assert not command.outlet_differs


def test_start_after_a_kill_reports_the_difference_with_the_first_reading(
    machine: Machine,
) -> None:
    outlets = machine.start()
    outlets.refresh("poe")

    def kill(port: str) -> None:
        if port == "1":
            raise KilledError

    machine.poe.before_port = kill
    with suppress(KilledError):
        outlets.switch({machine.stack: False, machine.rasp: False})
    outlets = machine.start()
    outlets.refresh("poe")
    powers = outlets.all_commanded()
    assert [powers[outlet].is_on for outlet in (machine.stack, machine.rasp)] == [False, False]
    assert [powers[outlet].outlet_differs for outlet in (machine.stack, machine.rasp)] == [
        False, True,
    ]  # fmt: skip
    assert machine.poe.ports["1"]


@pytest.mark.parametrize("after_boot", ["restore", "on", "off"])
def test_boot_of_the_master_switches_no_switch_and_returns_power_that_is_due(
    make_machine: Callable[..., Machine], after_boot: str
) -> None:
    machine = make_machine(after_boot=after_boot)
    outlets = machine.start()
    outlets.switch({machine.rasp: False})
    outlets.switch({machine.stack: False}, on_again_at=START + 500)
    machine.poe.calls.clear()
    machine.reboot()
    outlets = machine.start()
    assert machine.poe.calls == []
    powers = outlets.all_commanded()
    assert (powers[machine.rasp].is_on, powers[machine.rasp].since) == (False, 0.0)
    assert overdue_outlets(powers, machine.now) == (machine.stack,)
    outlets.switch({machine.stack: True})
    assert overdue_outlets(machine.start().all_commanded(), machine.now) == ()


def test_install_restores_the_power_that_it_found(machine: Machine) -> None:
    machine.poe.ports["5"] = False
    outlets = machine.start()
    for is_on in (False, True):
        outlets.switch(dict.fromkeys(machine.rack.outlets, is_on), installing=True)
    restarted = machine.start()
    assert restarted.restore_after_install() == machine.rack.outlets
    assert not machine.poe.ports["5"]
    assert machine.poe.ports["1"]
    assert machine.plug.ports["1"]
    assert restarted.restore_after_install() == ()


def test_outlet_that_cannot_be_restored_does_not_keep_others_off(machine: Machine) -> None:
    outlets = machine.start()
    outlets.switch(dict.fromkeys(machine.rack.outlets, False), installing=True)
    machine.poe.silent = {"5"}
    with pytest.raises(SwitchError, match="poe:5") as caught:
        outlets.restore_after_install()
    assert list(caught.value.problems) == [machine.stack]
    assert machine.poe.ports["1"]
    assert machine.plug.ports["1"]
    assert outlets.has_power(machine.relay) is True
    machine.poe.silent = set()
    assert outlets.restore_after_install() == (machine.stack,)
    assert machine.poe.ports["5"]


def test_install_leaves_an_outlet_on_whose_power_was_unknown(machine: Machine) -> None:
    machine.poe.silent = {"1", "5"}
    outlets = machine.start()
    with pytest.raises(SwitchError):
        outlets.switch({machine.stack: False}, installing=True)
    machine.poe.silent = set()
    outlets.switch({machine.stack: False}, installing=True)
    outlets.restore_after_install()
    assert machine.poe.ports["5"]


class BrokenDriver(SwitchDriver):
    """A driver with errors of its programmer."""

    def read(self, addresses: Any) -> Mapping[str, OutletReading]:
        raise KeyError("secret")

    def switch(self, power: Any, now: Any) -> Mapping[str, SwitchResult]:
        return {}


def test_broken_driver_is_an_error_of_its_outlets_only(machine: Machine) -> None:
    outlets = machine.start(plug=BrokenDriver("plug", SwitchSettings()))
    reading = outlets.refresh("plug")[machine.plugged]
    assert reading.power is None
    assert reading.error.startswith("plug:1: the power driver failed with KeyError: see the log")
    with pytest.raises(SwitchError) as caught:
        outlets.switch({machine.plugged: False, machine.stack: False})
    assert caught.value.problems == {machine.plugged: "plug:1: the power driver returned no result"}
    assert not machine.poe.ports["5"]


class SilentDriver(SwitchDriver):
    """Driver of a device that cannot be read."""

    def read(self, addresses: Any) -> Mapping[str, OutletReading]:
        return {address: OutletReading(None) for address in addresses}

    def switch(self, power: Any, now: Any) -> Mapping[str, SwitchResult]:
        return {address: SwitchResult(now(), now(), is_verified=False) for address in power}


def test_power_of_a_device_that_cannot_be_read_is_that_of_the_command(machine: Machine) -> None:
    outlets = machine.start(plug=SilentDriver("plug", SwitchSettings()))
    outlets.refresh("plug")
    assert outlets.has_power(machine.plugged) is None
    outlets.switch({machine.plugged: False})
    outlets.refresh("plug")
    assert outlets.has_power(machine.plugged) is False
    assert outlets.readings[machine.plugged] == OutletReading(None)


def test_unusable_relays_do_not_affect_other_sources(machine: Machine) -> None:
    def fail() -> MockFactory:
        raise OSError("no pins")

    relays = GpioDriver(GPIO, relay_board(machine.rack), factory=fail)
    outlets = machine.start(gpio=relays)
    assert "the relays cannot be used: no pins" in outlets.error(machine.relay)
    assert outlets.error(machine.stack) == ""
    assert outlets.has_power(machine.relay) is None
    with pytest.raises(SwitchError) as caught:
        outlets.switch({machine.relay: False, machine.stack: False})
    assert list(caught.value.problems) == [machine.relay]
    assert not machine.poe.ports["5"]
    assert machine.saved(machine.relay) is None


def test_unusable_database_switches_nothing(machine: Machine) -> None:
    outlets = machine.start()
    with machine.database.connection() as connection:
        connection.execute("DROP TABLE commanded_power")
    with pytest.raises(DatabaseError):
        outlets.switch({machine.stack: False})
    with pytest.raises(SwitchError, match="no such table"):
        outlets.switch({machine.stack: False, machine.plugged: False})
    assert machine.poe.calls == machine.plug.calls == []


def test_outlet_of_another_rack_is_rejected(machine: Machine) -> None:
    outlets = machine.start()
    with pytest.raises(UnknownTargetError, match="02-1 has no outlet of its own"):
        outlets.switch({Outlet(2, 1, "poe", "5"): False})
    with pytest.raises(UnknownTargetError, match="stack 3 has an outlet for each of its rasps"):
        outlets.switch({Outlet(3, None, "poe", "5"): False})
    assert machine.poe.calls == []
