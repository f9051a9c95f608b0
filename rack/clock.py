"""Clock of the master for durations, which does not change when the time is set."""

import time
from pathlib import Path


def seconds_since_boot() -> float:
    """Return the seconds since the boot of this machine, including suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read_boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Return the id of this boot of this machine."""
    return path.read_text(encoding="ascii").strip()
