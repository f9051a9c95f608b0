"""Clock of the master for durations, which does not change when the time is set."""

import time


def seconds_since_boot() -> float:
    """Return the seconds since the boot of this machine, including suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
