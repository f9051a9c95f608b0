"""Find power drivers by their names, and create those of a rack."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from rack.errors import PiRackError
from rack.layout import Rack
from rack.power.driver import AnyPowerDriver

GROUP = "pirack.power_drivers"
"""Entry points of power drivers. The name of an entry point is the name of the driver."""


class UnknownDriverError(PiRackError, LookupError):
    """A power driver does not exist, or cannot be loaded. The text contains a fix."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem}: {hint}")


def driver_type(name: str) -> type[AnyPowerDriver]:
    """Return the class of a power driver.

    Raises:
        UnknownDriverError: If the driver is not installed or cannot be loaded.
    """
    for entry_point in entry_points(group=GROUP, name=name):
        try:
            loaded: type[AnyPowerDriver] = entry_point.load()
        except (ImportError, AttributeError) as error:
            raise UnknownDriverError(
                f"the power driver {name!r} cannot be loaded: {error}",
                "reinstall PiRack, or the package of the driver",
            ) from error
        return loaded
    raise UnknownDriverError(
        f"the power driver {name!r} is not installed",
        f"use {', '.join(installed_drivers())}, or install the package of the driver",
    )


def installed_drivers() -> tuple[str, ...]:
    """Return the names of all installed power drivers, sorted."""
    return tuple(sorted(entry_points(group=GROUP).names))


def make_drivers(
    rack: Rack, given: Mapping[str, AnyPowerDriver] | None = None
) -> dict[str, AnyPowerDriver]:
    """Return a driver for each power source of a rack, keyed by the name of the source.

    Args:
        rack: Layout of the rack.
        given: Drivers of sources that need no other one.

    Raises:
        UnknownDriverError: If a driver was uninstalled since rack.toml was loaded.
    """
    given = given or {}
    return {
        name: given.get(name) or driver_type(source.driver)(name, source.settings)
        for name, source in rack.power_sources.items()
    }
