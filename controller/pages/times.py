"""Times on the pages: relative, as a time of day, and complete.

`static/times.js` rewrites them in the time zone of the reader. Without JavaScript, they are in the
time zone of the master.
"""

import time
from datetime import datetime
from typing import Literal

from controller.state.durations import coarse_duration

ClockStyle = Literal["seconds", "short", "minutes", "weekday", "day"]
"""Parts of a time of day: `14:02:31`, `14:02`, `14:02`, `Mon 14:02` or `30 Nov 14:02`.

A time that is not today is `2026-11-24 14:02` with `seconds`, and `24 Nov` with `short`.
"""

_FORMATS = {
    "seconds": "%H:%M:%S",
    "short": "%H:%M",
    "minutes": "%H:%M",
    "weekday": "%a %H:%M",
    "day": "%d %b %H:%M",
}
_FORMATS_OF_OTHER_DAYS = {**_FORMATS, "seconds": "%Y-%m-%d %H:%M", "short": "%d %b"}
_MINUTE, _WEEK = 60, 7 * 86400


def local_datetime(seconds: float) -> datetime:
    """Convert seconds since the epoch to whole seconds in the time zone of the master."""
    return datetime.fromtimestamp(int(seconds)).astimezone()


def datetime_local(seconds: float) -> str:
    """Format a time in the zone of the master as the value of an input `datetime-local`."""
    return local_datetime(seconds).strftime("%Y-%m-%dT%H:%M:%S")


def relative_time(seconds: float, now: float | None = None) -> str:
    """Format a time as `4 min ago` or `in 2 h`, and as a date if it is not within a week."""
    age = (time.time() if now is None else now) - seconds
    if abs(age) >= _WEEK:
        return local_datetime(seconds).strftime("%Y-%m-%d")
    if abs(age) < _MINUTE:
        return "just now"
    return f"{coarse_duration(age)} ago" if age > 0 else f"in {coarse_duration(-age)}"


def clock_time(seconds: float, style: ClockStyle = "seconds") -> str:
    """Format a time of day. See `ClockStyle`."""
    local = local_datetime(seconds)
    is_today = local.date() == datetime.now().astimezone().date()
    return local.strftime((_FORMATS if is_today else _FORMATS_OF_OTHER_DAYS)[style])


def full_time(seconds: float) -> str:
    """Format a time with its date and time zone, for example `2026-11-24 14:02:31 CET`."""
    return local_datetime(seconds).strftime("%Y-%m-%d %H:%M:%S %Z")


def time_zone() -> str:
    """Return the time zone of the master, for example `CET`."""
    return local_datetime(time.time()).strftime("%Z")
