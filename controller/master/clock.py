"""Whether the kernel's clock follows a better one: adjtimex(2), which any NTP client keeps told."""

import ctypes

_TIME_ERROR = 5
_TIMEX_BYTES = (
    512  # more than any architecture's struct timex; of zeros, it asks for nothing to change
)


def is_time_synchronized() -> bool | None:
    """Tell whether the clock is synchronised; None where the kernel cannot be asked."""
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(
            ctypes.create_string_buffer(_TIMEX_BYTES)
        )
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != _TIME_ERROR
