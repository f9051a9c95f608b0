"""Metrics of outlets."""

from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from prometheus_client import CollectorRegistry

from controller.claims import StackClaims
from controller.outlet_monitor import OutletMonitor
from controller.power_metrics import register_metrics
from rack.database import Database
from rack.layout import GPIO
from rack.power.driver import AnyPowerDriver
from rack.power.drivers.gpio import GpioDriver
from rack.power.outlets import Outlets
from tests.helpers.layouts import relay_board
from tests.helpers.plugs import SOURCE, Plug, PlugDriver, plug_rack

RACK = plug_rack()
A, B, C = (RACK.outlet(1, 1), RACK.outlet(1, 2), RACK.outlet(2))


class MeasuredPlugs:
    """Plugs, and the metrics of their outlets."""

    def __init__(self, folder: Path) -> None:
        self.plugs = {name: Plug(watts=3.0) for name in "abc"}
        relays = GpioDriver(GPIO, relay_board(RACK), factory=MockFactory)
        drivers: dict[str, AnyPowerDriver] = {SOURCE: PlugDriver(self.plugs), GPIO: relays}
        self.outlets = Outlets(RACK, Database(folder / "pirack.db"), drivers=drivers)
        self.now = 100.0
        self.monitor = OutletMonitor(RACK, self.outlets, clock=lambda: self.now)
        self._registry = CollectorRegistry()
        register_metrics(
            self._registry,
            RACK,
            self.outlets,
            self.monitor,
            claims=StackClaims(),
            gpio_persists=None,
        )

    def read(self) -> None:
        self.now += 10
        self.monitor.read(SOURCE)

    def metric(self, name: str) -> dict[str, float]:
        """Return the values of a metric, keyed by stack, and slot if there is one."""
        return {
            f"{sample.labels['stack']}-{sample.labels.get('slot', '')}".rstrip("-"): sample.value
            for family in self._registry.collect()
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture
def plugs(tmp_path: Path) -> MeasuredPlugs:
    return MeasuredPlugs(tmp_path)


def test_outlets_that_were_neither_switched_nor_read_have_no_metrics(plugs: MeasuredPlugs) -> None:
    assert plugs.metric("pirack_outlet_power_state") == {"03": 1}
    assert plugs.metric("pirack_outlet_up") == {"03": 1}
    assert plugs.metric("pirack_stack_power_state") == {"03": 1}
    assert plugs.metric("pirack_power_watts") == {}


def test_commanded_power_is_exported_for_each_outlet_and_each_stack(plugs: MeasuredPlugs) -> None:
    plugs.read()
    plugs.outlets.switch({B: False, C: False})
    plugs.read()
    assert plugs.metric("pirack_outlet_power_state") == {"01-1": 1, "01-2": 0, "02": 0, "03": 1}
    # Some outlets of stack 1 are on.
    assert plugs.metric("pirack_stack_power_state") == {"01": 1, "02": 0, "03": 1}


def test_power_of_an_outlet_that_cannot_be_read_is_missing(plugs: MeasuredPlugs) -> None:
    plugs.read()
    plugs.outlets.switch({C: False})
    plugs.plugs["a"].error = plugs.plugs["c"].error = "no reply"
    plugs.read()
    assert plugs.metric("pirack_outlet_up") == {"01-1": 0, "01-2": 1, "02": 0, "03": 1}
    assert plugs.metric("pirack_outlet_power_state") == {"01-2": 1, "03": 1}
    assert plugs.metric("pirack_stack_power_state") == {"03": 1}
    assert plugs.metric("pirack_power_watts") == {"01-2": 3}
    plugs.plugs["a"].error = plugs.plugs["c"].error = ""
    plugs.read()
    assert plugs.metric("pirack_outlet_up") == {"01-1": 1, "01-2": 1, "02": 1, "03": 1}
    assert plugs.metric("pirack_outlet_power_state") == {"01-1": 1, "01-2": 1, "02": 0, "03": 1}


def test_watts_and_energy_of_measured_outlets_are_exported(plugs: MeasuredPlugs) -> None:
    plugs.plugs["c"].watts = None
    plugs.read()
    plugs.plugs["b"].watts = 5.0
    plugs.read()
    assert plugs.metric("pirack_power_watts") == {"01-1": 3, "01-2": 5}
    assert plugs.metric("pirack_energy_joules_total") == {"01-1": 30, "01-2": 40}
