"""Read the outlets of power sources again and again, and measure their energy.

One thread reads each power source, so that a slow one does not hold up the others. A reading that
differs from the command is reported, and nothing is switched: see `rack.power.outlets`.

The relays on the master's pins are not read here. They have no device that could be away.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf

from controller.periodic import PeriodicThread
from controller.state.durations import coarse_duration
from controller.state.model import source_error
from controller.state.outlets import describe_outlet_difference
from rack.clock import seconds_since_boot
from rack.layout import GPIO, Outlet, Rack
from rack.power.outlets import Outlets
from rack.power.state import OutletReading

READ_INTERVAL = 10.0
"""Seconds between two readings of a power source."""

MAX_GAP_SECONDS = 60.0
"""Longest time between two measurements for which energy is counted. Most drivers respond within
seconds, and a longer gap means that the power source was away."""

MAX_AGE_SECONDS = 120.0
"""Readings that are older are unknown."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """Energy of an outlet from its first measurement to its last one.

    Attributes:
        joules: The energy.
        measured_seconds: Time for which it was counted, which excludes times without measurements.
        at: Time of the last measurement, in seconds.
    """

    joules: float
    measured_seconds: float
    at: float


class EnergyMeter:
    """Energy of one outlet: its measured power, integrated over time.

    Between two measurements, the power is taken to change evenly. No energy is counted for a time
    without measurements.
    """

    joules: float | None = None
    """Energy since the first measurement, or None before it."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None  # seconds and watts
        self._measured_seconds = 0.0

    @property
    def reading(self) -> EnergyReading | None:
        """The energy up to now, or None if the power was not measured now."""
        if self.joules is None or self._last is None:
            return None
        return EnergyReading(self.joules, self._measured_seconds, self._last[0])

    def add(self, watts: float | None, at: float) -> None:
        """Add a measurement at a time in seconds. None: the power was not measured."""
        if watts is None:
            self._last = None
            return
        self.joules = self.joules or 0.0
        if self._last is not None:
            earlier, previous_watts = self._last
            if 0 < at - earlier <= MAX_GAP_SECONDS:
                self.joules += (at - earlier) * max((watts + previous_watts) / 2, 0.0)
                self._measured_seconds += at - earlier
        self._last = at, watts


class OutletMonitor:
    """Readings and energy of the outlets of a rack.

    Args:
        rack: Layout of the rack.
        outlets: Outlets of the rack.
        interval: Seconds between two readings of a power source.
        clock: Returns seconds since the boot of the master.
    """

    def __init__(
        self,
        rack: Rack,
        outlets: Outlets,
        *,
        interval: float = READ_INTERVAL,
        clock: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._rack = rack
        self._outlets = outlets
        self._clock = clock
        sources = sorted({outlet.source for outlet in rack.outlets} - {GPIO})
        self._read_at: dict[str, float] = {}
        self._was_read = threading.Condition()
        self._reported: dict[str, frozenset[str]] = {source: frozenset() for source in sources}
        self._meters = {
            outlet: EnergyMeter() for source in sources for outlet in rack.outlets_of(source)
        }
        self._threads = {source: self._make_thread(source, interval) for source in sources}

    def _make_thread(self, source: str, interval: float) -> PeriodicThread:
        return PeriodicThread(
            f"outlets of {source}",
            interval,
            lambda: self.read(source),
            f"the outlets of {source} cannot be read",
        )

    def start(self) -> None:
        """Read all power sources now, and again after each interval."""
        for thread in self._threads.values():
            thread.start()

    def close(self) -> None:
        """Wait for the current readings, and end the threads."""
        for thread in self._threads.values():
            thread.close()

    def read(self, source: str) -> None:
        """Read the outlets of a power source once.

        Raises:
            DatabaseError: If what was read cannot be saved.
        """
        readings = self._outlets.refresh(source)
        now = self._clock()
        with self._was_read:
            for outlet, reading in readings.items():
                self._meters[outlet].add(reading.watts, now)
            self._read_at[source] = now
            self._was_read.notify_all()
        self._report(source, readings)

    def measure(self, outlets: Iterable[Outlet], seconds: float) -> Mapping[Outlet, EnergyReading]:
        """Read outlets now. Return their energy up to this reading.

        Args:
            outlets: Outlets to read. The others of their power sources are read, too.
            seconds: Longest time to wait for power sources.

        Returns:
            The outlets whose power was measured. Outlets without a meter are missing, and those
            that were not read in time.
        """
        wanted = list(outlets)
        sources = {outlet.source for outlet in wanted} & self._threads.keys()
        since = self._clock()
        for source in sources:
            self._threads[source].call_now()
        with self._was_read:
            self._was_read.wait_for(
                lambda: all(self._read_at.get(source, -inf) >= since for source in sources), seconds
            )
            readings = {
                outlet: self._meters[outlet].reading
                for outlet in wanted
                if self._read_at.get(outlet.source, -inf) >= since
            }
        return {outlet: reading for outlet, reading in readings.items() if reading is not None}

    def readings(self) -> Mapping[Outlet, OutletReading]:
        """Return the last reading of each outlet. Outlets that were not read yet are missing."""
        readings = self._outlets.readings
        now = self._clock()
        current = {}
        for outlet in self._rack.outlets:
            if error := self._outlets.error(outlet):
                current[outlet] = OutletReading(None, error=error)
            elif outlet.source in self._read_at and outlet in readings:
                age = now - self._read_at[outlet.source]
                current[outlet] = _expire(outlet, readings[outlet], age)
        return current

    def energy(self) -> Mapping[Outlet, float]:
        """Return the energy of each measured outlet since the start, in joules."""
        return {
            outlet: meter.joules
            for outlet, meter in self._meters.items()
            if meter.joules is not None
        }

    def _report(self, source: str, readings: Mapping[Outlet, OutletReading]) -> None:
        """Log what is wrong with the outlets of a source, once until it changes."""
        commanded = self._outlets.all_commanded()
        problems = {
            source_error(outlet, reading.error)
            for outlet, reading in readings.items()
            if reading.error
        } | {
            f"{outlet.name}: {describe_outlet_difference(outlet, commanded[outlet])}"
            for outlet, reading in readings.items()
            if not reading.error and outlet in commanded and commanded[outlet].outlet_differs
        }
        for problem in sorted(problems - self._reported[source]):
            _log.warning("%s", problem)
        if self._reported[source] and not problems:
            _log.info("all outlets of %s are as commanded", source)
        self._reported[source] = frozenset(problems)


def _expire(outlet: Outlet, reading: OutletReading, age: float) -> OutletReading:
    if age <= MAX_AGE_SECONDS:
        return reading
    return replace(
        reading,
        power=None,
        watts=None,
        error=f"{outlet.label}: not read for {coarse_duration(age)}: see the log of the controller",
    )
