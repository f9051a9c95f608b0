"""Power driver for relays on the pins of the master, through gpiozero.

The pins keep their levels when the controller ends, because another process holds them.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points

from gpiozero.exc import BadPinFactory, GPIOZeroError
from gpiozero.output_devices import OutputDevice
from gpiozero.pins import Factory, Pin

from rack.clock import Moment
from rack.errors import RelayError
from rack.power.driver import PowerDriver
from rack.power.pins import normalize_pin
from rack.power.state import OutletReading, SwitchResult
from rack.settings import RelayBoard

_SWITCH_INTERVAL = 0.0001


def pin_factory() -> Factory:
    """Return the pin factory that GPIOZERO_PIN_FACTORY names, `holder` by default.

    Raises:
        BadPinFactory: If the factory does not exist or does not keep its pins' levels.
        GPIOZeroError, ImportError, OSError: If the factory does not work on this machine.
    """
    name = os.environ.get("GPIOZERO_PIN_FACTORY", "holder")
    for entry_point in entry_points(group="gpiozero_pin_factories", name=name):
        factory: Factory = entry_point.load()()
        if not getattr(factory, "is_latching", False):
            raise BadPinFactory(
                f"GPIOZERO_PIN_FACTORY={name} releases its pins when the controller stops,"
                " which would switch every relay: use holder"
            )
        return factory
    raise BadPinFactory(f"unknown pin factory {name!r}: use holder, or reinstall PiRack")


class GpioDriver(PowerDriver[RelayBoard]):
    """Relays whose addresses are the BCM numbers of their pins.

    Args:
        name: Name of the power source, `gpio`.
        settings: Wiring of the relay board.
        factory: Creates the pin factory.
    """

    settings_type = RelayBoard
    resets_at_boot = True

    def __init__(
        self, name: str, settings: RelayBoard, *, factory: Callable[[], Factory] = pin_factory
    ) -> None:
        super().__init__(name, settings)
        self._make_factory = factory
        self._factory: Factory | None = None
        self._relays: dict[str, OutputDevice] = {}

    @classmethod
    def normalize_address(cls, settings: RelayBoard, address: str) -> str:  # noqa: ARG003 - its type
        """Return the number of the pin without leading zeros."""
        return normalize_pin(address)

    def read(self, addresses: Sequence[str]) -> Mapping[str, OutletReading]:
        """Return the power that the relays supply. See `PowerDriver.read`."""
        try:
            factory = self._working_factory()
        except (GPIOZeroError, ImportError, OSError) as error:
            return dict.fromkeys(addresses, OutletReading(None, error=_unusable(error)))
        return {address: self._read(factory, address) for address in addresses}

    def start(self, power: Mapping[str, bool]) -> None:
        """Claim the pins. See `PowerDriver.start`."""
        try:
            self._relays = {
                address: OutputDevice(
                    int(address),
                    active_high=self.settings.active_high,
                    initial_value=self.settings.coil_state_for(power=is_on),
                    pin_factory=self._working_factory(),
                )
                for address, is_on in power.items()
            }
        except (GPIOZeroError, ImportError, OSError) as error:
            raise RelayError(_unusable(error)) from error

    def switch(
        self, power: Mapping[str, bool], now: Callable[[], Moment]
    ) -> Mapping[str, SwitchResult]:
        """Switch pins, with nothing in between. See `PowerDriver.switch`."""
        results = {}
        # By default, other threads keep the interpreter for up to 5 ms after each pin.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        try:
            for address, is_on in power.items():
                before = now()
                try:
                    self._relays[address].value = self.settings.coil_state_for(power=is_on)
                except (GPIOZeroError, OSError) as error:
                    results[address] = SwitchResult(
                        None, None, f"the relay on GPIO{address} could not be switched: {error}"
                    )
                else:
                    results[address] = SwitchResult(before, now())
        finally:
            sys.setswitchinterval(interval)
        return results

    def _read(self, factory: Factory, address: str) -> OutletReading:
        try:
            return OutletReading(self._has_power(factory.pin(int(address))))
        except (GPIOZeroError, OSError) as error:
            return OutletReading(None, error=_unusable(error))

    def _has_power(self, pin: Pin) -> bool:
        if pin.function == "input":
            return self.settings.power_when(energized=False)
        return self.settings.power_when(energized=bool(pin.state) == self.settings.active_high)

    def _working_factory(self) -> Factory:
        if self._factory is None:
            self._factory = self._make_factory()
        return self._factory


def _unusable(error: Exception) -> str:
    return f"the relays cannot be used: {error} (see docs/how-to/wiring.md)"
