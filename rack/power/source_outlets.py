"""Switch and read the outlets of one power source, and store their commanded power."""

import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

from rack.clock import Clocks
from rack.database import Database
from rack.errors import DatabaseError, RelayError
from rack.layout import Outlet
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower, initial_power, kept_power, next_power
from rack.power.edges import INSTALL_CAUSE, Edge, PowerEdges, SwitchError
from rack.power.guarded_driver import GuardedDriver
from rack.power.state import OutletReading, SwitchResult
from rack.power.switching import (
    SwitchSummary,
    edges_with_times,
    planned_edges,
    power_after_all,
    readings_after_switching,
)
from rack.settings import AfterBoot

_log = logging.getLogger(__name__)


class SourceOutlets:
    """The outlets of one power source. Thread-safe: calls of the driver wait for each other.

    Args:
        outlets: Outlets of the source.
        driver: Driver of the source.
        database: Storage of the commanded power.
        edges: Storage of the edges, in the same database.
        clocks: Clocks of the master.
        boot_id: Id of this boot of the master.
    """

    error: str = ""
    """Reason why the outlets cannot be used on this machine, or an empty string."""

    def __init__(
        self,
        outlets: Collection[Outlet],
        driver: GuardedDriver,
        database: Database,
        edges: PowerEdges,
        clocks: Clocks,
        boot_id: str,
    ) -> None:
        self.outlets = outlets
        self.driver = driver
        self.commanded: Mapping[Outlet, CommandedPower] = {}
        self.readings: Mapping[Outlet, OutletReading] = {}
        self._database = database
        self._edges = edges
        self._clocks = clocks
        self._boot_id = boot_id
        self._lock = threading.Lock()

    def start(self, previous: Mapping[Outlet, CommandedPower], after_boot: AfterBoot) -> None:
        """Adopt the commanded power of the previous process.

        Outlets that lose their state at a boot of the master are read and claimed. Others are
        neither read nor switched.

        Raises:
            DatabaseError: If the database cannot be written.
        """
        own = {outlet: previous[outlet] for outlet in self.outlets if outlet in previous}
        if self.driver.resets_at_boot:
            try:
                self._claim(own, after_boot)
            except RelayError as error:
                self.error = str(error)
        else:
            now = self._clocks.clock()
            self.commanded = {
                outlet: kept_power(power, self._boot_id, now) for outlet, power in own.items()
            }

    def _claim(self, previous: Mapping[Outlet, CommandedPower], after_boot: AfterBoot) -> None:
        current = {}
        for outlet, reading in self.driver.read(self.outlets).items():
            if reading.power is None:
                raise RelayError(reading.error)
            current[outlet] = reading.power
        now = self._clocks.clock()
        initial = {
            outlet: initial_power(previous.get(outlet), has_power, after_boot, self._boot_id, now)
            for outlet, has_power in current.items()
        }
        # The new boot id is saved last. After a kill, the next startup applies `after_boot` again.
        unclaimed = {
            outlet: replace(power, boot_id=previous.get(outlet, power).boot_id)
            for outlet, power in initial.items()
        }
        commanded_power.save(self._database, unclaimed)
        self.driver.start({outlet: power.has_power for outlet, power in initial.items()})
        if unclaimed != initial:
            commanded_power.save(self._database, initial)
        self.commanded = initial

    def switch(
        self,
        power: Mapping[Outlet, bool],
        *,
        at: float | None = None,
        on_again_at: float | None = None,
        installing: bool = False,
        cause: str = "",
    ) -> tuple[Edge, ...]:
        """Switch outlets of this source as one. See `Outlets.switch`."""
        self._require_working()
        with self._lock:
            if installing and not self.commanded.keys() >= power.keys():
                # An install restores the previous power.
                self._store(self.driver.read(power.keys()))
            now = self._clocks.clock() if at is None else at
            commands = {
                outlet: next_power(
                    self.commanded.get(outlet),
                    is_on=is_on,
                    now=now,
                    boot_id=self._boot_id,
                    installing=installing,
                    on_again_at=on_again_at,
                )
                for outlet, is_on in power.items()
            }
            return self._switch(commands, at=at, cause=cause)

    def restore_after_install(self) -> tuple[Edge, ...]:
        """Restore the previous power. See `Outlets.restore_after_install`."""
        self._require_working()
        with self._lock:
            held = {
                outlet: power.power_before_install
                for outlet, power in self.commanded.items()
                if power.power_before_install is not None
            }
            # Relays are switched one after the other. Other devices may need seconds for each call.
            groups = [{outlet: is_on} for outlet, is_on in held.items()]
            if held and not self.driver.resets_at_boot:
                groups = [held]
            restored = SwitchSummary()
            for group in groups:
                restored.add(partial(self._restore, group))
        return restored.result()

    def _restore(self, group: Mapping[Outlet, bool]) -> tuple[Edge, ...]:
        now, boot_id = self._clocks.clock(), self._boot_id
        # In case of a kill, the install holds the outlets until they are switched.
        commands = {
            outlet: replace(
                next_power(
                    self.commanded[outlet], is_on=is_on, now=now, boot_id=boot_id, installing=True
                ),
                power_before_install=is_on,
            )
            for outlet, is_on in group.items()
        }
        try:
            edges = self._switch(commands, cause=INSTALL_CAUSE)
        except SwitchError as error:
            self._release(group.keys() - error.problems.keys())
            raise
        self._release(group)
        return edges

    def refresh(self) -> Mapping[Outlet, OutletReading]:
        """Read the outlets and store the readings. See `Outlets.refresh`."""
        if self.error:
            return dict.fromkeys(self.outlets, OutletReading(None, error=self.error))
        with self._lock:
            readings = self.driver.read(self.outlets)
            self._store(readings)
            return readings

    def has_power(self, outlet: Outlet) -> bool | None:
        """Return whether an outlet supplies power. See `Outlets.has_power`."""
        if self.error:
            return None
        if not self.driver.resets_at_boot:
            reading = self.readings.get(outlet, OutletReading(None))
            if reading.power is not None or reading.error:
                return reading.power
        command = self.commanded.get(outlet)
        return None if command is None else command.has_power

    def _store(self, readings: Mapping[Outlet, OutletReading]) -> None:
        """Store readings, adopt the power of outlets without a command, compare that of others."""
        self.readings = {**self.readings, **readings}
        adopted, compared = {}, {}
        for outlet, reading in readings.items():
            if reading.power is None:
                continue
            if (command := self.commanded.get(outlet)) is None:
                now, boot_id = self._clocks.clock(), self._boot_id
                adopted[outlet] = CommandedPower(reading.power, now, boot_id)
            else:
                compared[outlet] = replace(command, outlet_differs=reading.power != command.is_on)
        self.commanded = {**self.commanded, **compared}
        if adopted:
            self._save(adopted)

    def _switch(
        self, commands: Mapping[Outlet, CommandedPower], *, cause: str, at: float | None = None
    ) -> tuple[Edge, ...]:
        previous = self.commanded
        now = self._clocks.now()
        planned = now if at is None else now + (at - now.monotonic)
        changes = planned_edges(commands, previous, planned, cause)
        saved = self._edges.begin(commands, changes.values())
        edges = dict(zip(changes, saved, strict=True))
        if at is not None:
            self._clocks.sleep(max(0.0, at - self._clocks.clock()))
        results = self._drive(commands)
        problems = {outlet: result.error for outlet, result in results.items() if result.error}
        switched = edges_with_times(edges, results)
        final = power_after_all(commands, previous, problems)
        not_switched = [edge for outlet, edge in edges.items() if outlet in problems]
        self._complete(commands, final, switched, not_switched)
        if problems:
            raise SwitchError(problems, switched)
        return switched

    def _complete(
        self,
        commands: Mapping[Outlet, CommandedPower],
        final: Mapping[Outlet, CommandedPower],
        switched: tuple[Edge, ...],
        not_switched: Iterable[Edge],
    ) -> None:
        """Save what is known after the outlets were switched, if this is more than the commands."""
        if final == commands and not switched:
            self.commanded = {**self.commanded, **final}
            return
        try:
            self._edges.complete(final, switched, not_switched)
        except DatabaseError as error:
            _log.error("the times of power edges are not saved: %s", error)
            final = {  # as in the database, so that the power is switched on again after a kill
                outlet: replace(power, on_again_at=commands[outlet].on_again_at)
                for outlet, power in final.items()
            }
        self.commanded = {**self.commanded, **final}

    def _drive(self, commands: Mapping[Outlet, CommandedPower]) -> Mapping[Outlet, SwitchResult]:
        results = self.driver.switch(
            {outlet: power.is_on for outlet, power in commands.items()}, self._clocks.now
        )
        if not self.driver.resets_at_boot:
            self.readings = {**self.readings, **readings_after_switching(commands, results)}
        return results

    def _release(self, outlets: Collection[Outlet]) -> None:
        """Save that an install does not hold these outlets any longer."""
        self._save(
            {
                outlet: replace(self.commanded[outlet], power_before_install=None, on_again_at=None)
                for outlet in outlets
            }
        )

    def _save(self, powers: Mapping[Outlet, CommandedPower]) -> None:
        commanded_power.save(self._database, powers)
        self.commanded = {**self.commanded, **powers}

    def _require_working(self) -> None:
        if self.error:
            raise RelayError(self.error)
