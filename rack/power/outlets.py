"""Switch and read the outlets of a rack through their power drivers.

Several outlets are switched as one. For each power source, one transaction contains the commanded
power of its outlets and their edges, then the outlets are switched, with nothing in between, and a
second transaction contains the times. The relays on the master's pins are switched in the calling
thread. The other power sources are switched at the same time, each in a thread of its own, so that
a slow source holds up no other one.

Startup adopts the level of each pin and switches no relay, unless the master has booted. It neither
reads nor switches outlets of other power sources. If the process is killed between the first
transaction and an outlet, the outlet differs from the commanded power. The next startup, or for
other power sources the next `refresh`, reports the difference as `CommandedPower.outlet_differs`.
It does not complete the order, because the rasps may already be booting or shutting down. The next
order for the outlet resolves the difference.

An outlet that is off for a time has `CommandedPower.on_again_at`, from before it is switched off
until it was switched on. The controller switches it on after that time. After a boot of the master,
startup switches a relay on.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from rack.clock import BOOT_ID, Clocks, Moment, read_boot_id, seconds_since_boot
from rack.database import Database
from rack.layout import Outlet, Rack
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower
from rack.power.driver import AnyPowerDriver
from rack.power.edges import INSTALL_CAUSE, Edge, PowerEdges
from rack.power.guarded_driver import GuardedDriver
from rack.power.registry import make_drivers
from rack.power.source_outlets import SourceOutlets
from rack.power.state import OutletReading
from rack.power.switching import switch_sources

_Value = TypeVar("_Value")


class Outlets:
    """The outlets of a rack. Thread-safe.

    Startup applies `initial_power` to each relay. Outlets keep their state when the process ends.

    Args:
        rack: Stacks with their outlets, and the power sources.
        database: Storage of the commanded power.
        drivers: Power drivers, keyed by the name of their power source. By default, those of
            `make_drivers`.
        boot_id: File with the id of this boot of the master.
        clock: Returns seconds since the boot of the master.
        wall_clock: Returns seconds since the epoch.
        sleep: Waits for seconds.

    Raises:
        DatabaseError: If the database cannot be used. No relay was switched, unless the master has
            booted.
    """

    def __init__(
        self,
        rack: Rack,
        database: Database,
        *,
        drivers: Mapping[str, AnyPowerDriver] | None = None,
        boot_id: Path = BOOT_ID,
        clock: Callable[[], float] = seconds_since_boot,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rack = rack
        self.edges = PowerEdges(database)
        self._clocks = Clocks(clock, wall_clock, sleep)
        boot, error = _try_read(boot_id)
        self._sources = {
            name: SourceOutlets(
                rack.outlets_of(name),
                GuardedDriver(driver),
                database,
                self.edges,
                self._clocks,
                boot,
            )
            for name, driver in make_drivers(rack, drivers).items()
        }
        previous = commanded_power.load_all(database, rack)
        after_boot = rack.relays.after_boot if rack.relays else "restore"
        for source in self._sources.values():
            if error:
                source.error = error
            else:
                source.start(previous, after_boot)

    @property
    def source_errors(self) -> Mapping[str, str]:
        """Why power sources cannot be used on this machine, keyed by their names."""
        return {name: source.error for name, source in self._sources.items() if source.error}

    @property
    def readings(self) -> Mapping[Outlet, OutletReading]:
        """Last reading of each outlet that was read or switched, except relays."""
        return self._merged(source.readings for source in self._sources.values())

    def error(self, outlet: Outlet) -> str:
        """Return why an outlet cannot be used on this machine, or an empty string."""
        return self._sources[outlet.source].error

    def switch(
        self,
        power: Mapping[Outlet, bool],
        *,
        at: float | None = None,
        on_again_at: float | None = None,
        installing: bool = False,
        cause: str = "",
    ) -> tuple[Edge, ...]:
        """Switch outlets as one: save all commands, then switch all outlets. Return the changes.

        Args:
            power: Whether to switch an outlet on, in the order in which to switch outlets of a
                power source.
            at: Seconds since the boot of the master at which to switch the outlets. Other commands
                for their power sources wait until then. By default, as soon as the commands are
                saved.
            on_again_at: `CommandedPower.on_again_at` of the outlets that are switched off.
            installing: Whether an install switches the outlets, which `restore_after_install`
                undoes. Such a command keeps `on_again_at`.
            cause: What switches the outlets, for example `order 12`.

        Raises:
            UnknownTargetError: If an outlet is not part of this rack.
            SwitchError: If some outlets cannot be used or switched. All others were switched.
            DatabaseError: If the commands cannot be saved. No outlet was switched.
        """
        by_source: dict[str, dict[Outlet, bool]] = {}
        for outlet, is_on in power.items():
            self._rack.outlet(outlet.stack, outlet.slot)
            by_source.setdefault(outlet.source, {})[outlet] = is_on
        calls = {
            name: partial(
                self._sources[name].switch,
                outlets,
                at=at,
                on_again_at=on_again_at,
                installing=installing,
                cause=cause or (INSTALL_CAUSE if installing else ""),
            )
            for name, outlets in by_source.items()
        }
        return switch_sources(calls, power, own_thread=self._relay_sources())

    def restore_after_install(self) -> tuple[Outlet, ...]:
        """Restore the previous power of all outlets held by an install. Return these outlets.

        Any other command releases an outlet from the install.

        Raises:
            SwitchError: If some outlets cannot be used or switched. All others are restored, and
                the next call repeats the command for these.
            DatabaseError: If a command cannot be saved. The next call repeats the command.
        """
        held = tuple(
            outlet
            for outlet, power in self.all_commanded().items()
            if power.power_before_install is not None
        )
        switch_sources(
            {name: source.restore_after_install for name, source in self._sources.items()},
            self._rack.outlets,
            own_thread=self._relay_sources(),
        )
        return held

    @property
    def to_restore(self) -> tuple[Outlet, ...]:
        """Outlets whose power an install has changed, and has not restored."""
        return tuple(
            outlet
            for outlet, power in self.all_commanded().items()
            if power.power_before_install not in {None, power.has_power}
        )

    def refresh(self, source: str) -> Mapping[Outlet, OutletReading]:
        """Read the outlets of a power source. Return and store the readings.

        An outlet without a command adopts the power that was read. A difference from the command
        sets `CommandedPower.outlet_differs`, and switches nothing. The call takes as long as the
        timeout of the driver, and waits for other calls for this source.

        Args:
            source: Name of the power source.

        Raises:
            DatabaseError: If adopted power cannot be saved. The readings are stored.
        """
        return self._sources[source].refresh()

    def has_power(self, outlet: Outlet) -> bool | None:
        """Return whether an outlet supplies power, as far as is known, or None if it is unknown.

        The result differs from the commanded power after an interrupted order, or if something
        else has switched the outlet. It is unknown if the last reading failed.
        """
        return self._sources[outlet.source].has_power(outlet)

    def commanded(self, outlet: Outlet) -> CommandedPower | None:
        """Return the commanded power of an outlet.

        Returns:
            None if the outlet was never switched nor read, or cannot be used on this machine.
        """
        return self.all_commanded().get(outlet)

    def all_commanded(self) -> Mapping[Outlet, CommandedPower]:
        """Return the commanded power of all outlets of which it is known."""
        return self._merged(
            {} if source.error else source.commanded for source in self._sources.values()
        )

    def now(self) -> Moment:
        """Return the current time on both clocks of the master."""
        return self._clocks.now()

    def close(self) -> None:
        """Close the connections to all power sources. The outlets keep their power."""
        for source in self._sources.values():
            source.driver.close()

    def _relay_sources(self) -> list[str]:
        return [name for name, source in self._sources.items() if source.driver.resets_at_boot]

    def _merged(self, parts: Iterable[Mapping[Outlet, _Value]]) -> Mapping[Outlet, _Value]:
        """Return the values of all parts, in the order of the outlets of the rack."""
        merged: dict[Outlet, _Value] = {}
        for part in parts:
            merged |= part
        return {outlet: merged[outlet] for outlet in self._rack.outlets if outlet in merged}


def _try_read(boot_id: Path) -> tuple[str, str]:
    """Return the id of this boot of the master, or why it cannot be read."""
    try:
        return read_boot_id(boot_id), ""
    except OSError as error:
        return "", f"the outlets cannot be used: {boot_id}: {error.strerror}: mount /proc"
