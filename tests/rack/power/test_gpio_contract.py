"""Contract of power drivers for the relays on the pins of the master."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from rack.power.contract import PowerDriverContract
from rack.power.drivers.gpio import GpioDriver
from rack.settings import RelayBoard

ADDRESSES = ("17", "27", "22")


class RelaysOnMockPins(GpioDriver):
    """The driver on the pins of `pins`."""

    pins: Any

    def __init__(self, name: str, settings: RelayBoard) -> None:
        super().__init__(name, settings, factory=lambda: self.pins)


@pytest.fixture
def pins() -> Any:
    factory: Any = MockFactory
    RelaysOnMockPins.pins = factory()
    return RelaysOnMockPins.pins


class TestGpioDriver(PowerDriverContract):
    driver_class = RelaysOnMockPins

    @pytest.fixture(params=[True, False], ids=["active-high", "active-low"])
    def active_high(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param)

    @pytest.fixture
    def settings(self, active_high: bool, pins: Any) -> RelayBoard:
        return RelayBoard(active_high=active_high, contact="normally_closed")

    @pytest.fixture
    def addresses(self) -> Sequence[str]:
        return ADDRESSES

    @pytest.fixture
    def other_form(self) -> str:
        return "017"

    @pytest.fixture
    def invalid_address(self) -> str:
        return "1"

    @pytest.fixture
    def supplies_power(self, pins: Any, active_high: bool) -> Callable[[str], bool]:
        # The relay opens its contact, which cuts the power, if it is energized.
        return lambda address: bool(pins.pin(int(address)).state) is not active_high
