"""Clocks of the master."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""File with the id of this boot of this machine."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on both clocks of the master.

    Attributes:
        monotonic: Seconds since the boot of the master. It does not change when the time is set.
        time: Seconds since the epoch. This clock may be set.
    """

    monotonic: float
    time: float

    def __add__(self, seconds: float) -> "Moment":
        return Moment(self.monotonic + seconds, self.time + seconds)


def seconds_since_boot() -> float:
    """Return the seconds since the boot of this machine, including suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_boot_id(path: Path = BOOT_ID) -> str:
    """Return the id of this boot of this machine."""
    return path.read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Clocks:
    """Clocks of the master.

    Attributes:
        clock: Returns seconds since the boot of the master.
        wall_clock: Returns seconds since the epoch.
        sleep: Waits for seconds.
    """

    clock: Callable[[], float] = seconds_since_boot
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def now(self) -> Moment:
        """Return the current time on both clocks."""
        return Moment(self.clock(), self.wall_clock())
