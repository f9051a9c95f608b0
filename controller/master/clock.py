"""Check with adjtimex(2) whether an NTP client synchronizes the kernel's clock."""

import ctypes

_TIME_ERROR = 5
_TIMEX_BYTES = 512  # larger than struct timex on any architecture; zeros change nothing


def is_time_synchronized() -> bool | None:
    """Return whether the clock is synchronized, or None if it is unknown."""
    try:
        clock_state = ctypes.CDLL(None, use_errno=True).adjtimex(
            ctypes.create_string_buffer(_TIMEX_BYTES)
        )
    except (OSError, AttributeError):
        return None
    return None if clock_state < 0 else clock_state != _TIME_ERROR
