"""Call a power driver for outlets, and turn its failures into errors of these outlets."""

import logging
from collections.abc import Callable, Collection, Mapping

from rack.clock import Moment
from rack.layout import Outlet
from rack.power.driver import AnyPowerDriver
from rack.power.state import OutletReading, SwitchResult

_log = logging.getLogger(__name__)


class GuardedDriver:
    """A driver that is called with outlets instead of addresses.

    An exception of the driver, and an outlet that is missing in its result, is an error of the
    outlets.

    Args:
        driver: Driver of the power source of all outlets.
    """

    def __init__(self, driver: AnyPowerDriver) -> None:
        self._driver = driver

    @property
    def resets_at_boot(self) -> bool:
        """See `PowerDriver.resets_at_boot`."""
        return self._driver.resets_at_boot

    def start(self, power: Mapping[Outlet, bool]) -> None:
        """Claim outlets. See `PowerDriver.start`."""
        self._driver.start({outlet.address: is_on for outlet, is_on in power.items()})

    def close(self) -> None:
        """Close connections. See `PowerDriver.close`."""
        self._driver.close()

    def read(self, outlets: Collection[Outlet]) -> Mapping[Outlet, OutletReading]:
        """Return a reading for each of these outlets. See `PowerDriver.read`."""
        problem = "the power driver returned no reading"
        readings: Mapping[str, OutletReading] = {}
        try:
            readings = self._driver.read([outlet.address for outlet in outlets])
        except Exception as error:  # noqa: BLE001 - drivers of others may raise any error
            problem = self._failure(error)
        return {
            outlet: readings.get(outlet.address)
            or OutletReading(None, error=f"{outlet.label}: {problem}")
            for outlet in outlets
        }

    def switch(
        self, power: Mapping[Outlet, bool], now: Callable[[], Moment]
    ) -> Mapping[Outlet, SwitchResult]:
        """Switch outlets in this order. See `PowerDriver.switch`."""
        problem = "the power driver returned no result"
        results: Mapping[str, SwitchResult] = {}
        try:
            results = self._driver.switch(
                {outlet.address: is_on for outlet, is_on in power.items()}, now
            )
        except Exception as error:  # noqa: BLE001 - drivers of others may raise any error
            problem = self._failure(error)
        return {
            outlet: results.get(outlet.address)
            or SwitchResult(None, None, f"{outlet.label}: {problem}")
            for outlet in power
        }

    def _failure(self, error: Exception) -> str:
        _log.error("the power driver of %s failed", self._driver.name, exc_info=error)
        return (
            f"the power driver failed with {type(error).__name__}: see the log of the controller,"
            " and report this to the author of the driver"
        )
