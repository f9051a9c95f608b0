"""Reading outlets again and again, and measuring their energy."""

import logging
from contextlib import closing
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from controller.outlet_monitor import MAX_AGE_SECONDS, MAX_GAP_SECONDS, EnergyMeter, OutletMonitor
from rack.database import Database
from rack.layout import GPIO
from rack.power.driver import AnyPowerDriver
from rack.power.drivers.gpio import GpioDriver
from rack.power.outlets import Outlets
from tests.helpers.layouts import relay_board
from tests.helpers.plugs import SOURCE, Plug, PlugDriver, plug_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

RACK = plug_rack()
A, B, C = (RACK.outlet(1, 1), RACK.outlet(1, 2), RACK.outlet(2))


class MonitoredPlugs:
    """Outlets with plugs, and their monitor at a time that a test sets."""

    def __init__(self, folder: Path, interval: float = 10.0) -> None:
        self.plugs = {name: Plug(watts=3.0) for name in "abc"}
        self.driver = PlugDriver(self.plugs)
        relays = GpioDriver(GPIO, relay_board(RACK), factory=MockFactory)
        drivers: dict[str, AnyPowerDriver] = {SOURCE: self.driver, GPIO: relays}
        self.outlets = Outlets(RACK, Database(folder / "pirack.db"), drivers=drivers)
        self.now = 100.0
        self.monitor = OutletMonitor(RACK, self.outlets, interval=interval, clock=lambda: self.now)

    def read_after(self, seconds: float) -> None:
        self.now += seconds
        self.monitor.read(SOURCE)


@pytest.fixture
def monitored(tmp_path: Path) -> MonitoredPlugs:
    return MonitoredPlugs(tmp_path)


def test_power_is_integrated_over_time() -> None:
    assert EnergyMeter().joules is None
    meter = EnergyMeter()
    meter.add(10.0, at=0.0)
    assert meter.joules == 0.0
    meter.add(20.0, at=10.0)
    meter.add(20.0, at=20.0)
    assert meter.joules == 150.0 + 200.0


def test_no_energy_is_counted_for_a_time_without_measurements() -> None:
    meter = EnergyMeter()
    meter.add(10.0, at=0.0)
    meter.add(None, at=10.0)
    meter.add(10.0, at=20.0)
    assert meter.joules == 0.0
    meter.add(10.0, at=21.0 + MAX_GAP_SECONDS)
    assert meter.joules == 0.0
    meter.add(10.0, at=22.0 + MAX_GAP_SECONDS)
    assert meter.joules == 10.0


def test_negative_measurements_and_a_clock_that_goes_back_do_not_reduce_the_energy() -> None:
    meter = EnergyMeter()
    for watts, at in ((-3.0, 0.0), (-3.0, 10.0), (5.0, 5.0), (5.0, 6.0)):
        meter.add(watts, at=at)
    assert meter.joules == 5.0


def test_outlets_that_were_not_read_yet_have_no_reading(monitored: MonitoredPlugs) -> None:
    assert monitored.monitor.readings() == {}
    assert monitored.monitor.energy() == {}


def test_readings_contain_the_plugs_and_no_relays(monitored: MonitoredPlugs) -> None:
    monitored.plugs["b"].is_on = False
    monitored.read_after(0)
    readings = monitored.monitor.readings()
    assert {outlet.name: reading.power for outlet, reading in readings.items()} == {
        "01-1": True,
        "01-2": False,
        "02": True,
    }


def test_energy_of_each_plug_is_measured(monitored: MonitoredPlugs) -> None:
    monitored.read_after(0)
    monitored.plugs["c"].error = "no reply"
    monitored.read_after(10)
    assert monitored.monitor.energy() == {A: 30.0, B: 30.0, C: 0.0}


def test_old_readings_are_unknown(monitored: MonitoredPlugs) -> None:
    monitored.read_after(0)
    monitored.now += MAX_AGE_SECONDS + 1
    assert monitored.monitor.readings()[A].power is None
    assert monitored.monitor.readings()[A].error == (
        "plugs:a: not read for 2 min: see the log of the controller"
    )


def test_relays_that_cannot_be_used_have_their_error_as_a_reading(tmp_path: Path) -> None:
    def fail() -> MockFactory:
        raise OSError("no GPIO chip")

    relays = GpioDriver(GPIO, relay_board(RACK), factory=fail)
    drivers: dict[str, AnyPowerDriver] = {SOURCE: PlugDriver({}), GPIO: relays}
    outlets = Outlets(RACK, Database(tmp_path / "pirack.db"), drivers=drivers)
    [reading] = OutletMonitor(RACK, outlets).readings().values()
    assert reading.power is None
    assert "no GPIO chip" in reading.error


def test_problems_of_a_power_source_are_logged_once_and_its_return_is_logged(
    monitored: MonitoredPlugs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "controller.outlet_monitor")
    monitored.read_after(0)
    for plug in monitored.plugs.values():
        plug.error = "no reply within 5 s: check the switch"
    for _ in range(3):
        monitored.read_after(10)
    assert caplog.messages == ["plugs (test): no reply within 5 s: check the switch"]
    for plug in monitored.plugs.values():
        plug.error = ""
    monitored.read_after(10)
    assert caplog.messages[1:] == ["all outlets of plugs are as commanded"]


def test_plug_that_differs_after_its_return_is_logged_and_not_switched(
    monitored: MonitoredPlugs, caplog: pytest.LogCaptureFixture
) -> None:
    monitored.outlets.switch({A: True, B: True})
    commands = list(monitored.driver.commands)
    monitored.plugs["a"].error = "no reply"
    monitored.read_after(10)
    monitored.plugs["a"] = Plug(is_on=False)
    monitored.read_after(10)
    assert caplog.messages[-1] == (
        "01-1: commanded on, but its outlet is off: an order was interrupted, or something other"
        " than PiRack switched it. Use power on or power off"
    )
    assert monitored.driver.commands == commands
    assert monitored.plugs["a"].is_on is False


def test_threads_read_the_plugs_until_they_are_closed(tmp_path: Path) -> None:
    monitored = MonitoredPlugs(tmp_path, interval=0.01)
    monitored.monitor.start()
    wait_until(lambda: monitored.monitor.readings().keys() == {A, B, C})
    monitored.plugs["a"].error = "no reply"
    wait_until(lambda: monitored.monitor.readings()[A].power is None)
    monitored.monitor.close()
    monitored.plugs["a"].error = ""
    assert monitored.monitor.readings()[A].power is None


def test_outlets_are_read_at_once_to_measure_them_and_relays_have_no_energy(tmp_path: Path) -> None:
    monitored = MonitoredPlugs(tmp_path, interval=TIMEOUT_SECONDS * 10)
    monitored.plugs["b"].watts = None
    monitored.monitor.start()
    with closing(monitored.monitor):
        first = monitored.monitor.measure(RACK.outlets, TIMEOUT_SECONDS)
        monitored.now += 10.0
        last = monitored.monitor.measure(RACK.outlets, TIMEOUT_SECONDS)
    assert first.keys() == last.keys() == {A, C}
    assert last[A].joules - first[A].joules == 30.0
    assert last[A].measured_seconds - first[A].measured_seconds == 10.0


def test_outlets_that_are_not_read_in_time_are_not_measured(monitored: MonitoredPlugs) -> None:
    monitored.read_after(0)
    monitored.now += 1.0
    assert monitored.monitor.measure([A], 0.0) == {}
