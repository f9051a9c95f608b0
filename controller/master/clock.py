"""Check whether an NTP client synchronizes the kernel's clock."""

import ctypes
import subprocess
from collections.abc import Callable

_TIME_ERROR = 5
_TIMEX_BYTES = 512  # larger than struct timex on any architecture; zeros change nothing
_TIMEOUT = 2.0


def _kernel_clock_state() -> int:
    """Return the result of adjtimex(2), which is negative on an error."""
    try:
        state: int = ctypes.CDLL(None, use_errno=True).adjtimex(
            ctypes.create_string_buffer(_TIMEX_BYTES)
        )
    except (OSError, AttributeError):
        return -1
    return state


def is_time_synchronized(read_state: Callable[[], int] = _kernel_clock_state) -> bool | None:
    """Return whether the clock is synchronized, or None if it is unknown.

    `ProtectClock` in the unit of the controller forbids adjtimex(2). systemd-timedated is then
    asked instead.

    Args:
        read_state: Returns the result of adjtimex(2).
    """
    state = read_state()
    return _ask_timedated() if state < 0 else state != _TIME_ERROR


def _ask_timedated() -> bool | None:
    try:
        shown = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(shown.strip())
