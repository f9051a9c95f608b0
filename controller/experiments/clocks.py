"""Measure the clocks of rasps more precisely than a scrape can.

A scrape contains the boot time in whole seconds. This module uses the header `Date` of a rasp's
exporter: it also has whole seconds, but requests at well-chosen times show when it changes. Each
request halves the interval of possible offsets, as htpdate does.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import IPv4Address
from math import ceil

from rack import bounded_http
from rack.errors import PiRackError

_TIMEOUT_SECONDS = 2.0
_MAX_RESPONSE_BYTES = 2**16
_PATH = "/"  # the exporter responds to it at once, without running an alias
_MAX_REQUESTS = 20
_MAX_THREADS = 64
_MAX_ERROR_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Offset of a rasp's clock from the master's, which is between both limits.

    Attributes:
        low: Smallest possible offset in seconds.
        high: Largest possible offset in seconds.
    """

    low: float
    high: float

    @property
    def seconds(self) -> float:
        """The middle of the interval."""
        return (self.low + self.high) / 2

    @property
    def error(self) -> float:
        """The largest difference of `seconds` from the true offset."""
        return (self.high - self.low) / 2

    def is_within(self, bound: float) -> bool:
        """Whether the offset is certainly within a bound in seconds."""
        return -bound <= self.low and self.high <= bound

    def narrowed(self, other: "ClockOffset") -> "ClockOffset":
        """Return what both measurements allow, or the later one if a clock was set in between."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return ClockOffset(low, high) if low <= high else other


def observed_offset(date: float, sent: float, received: float) -> ClockOffset:
    """Return the offsets that one response allows.

    Args:
        date: Time of the rasp in whole seconds, rounded down, between `sent` and `received`.
        sent: Time of the master before the request.
        received: Time of the master after the response.
    """
    return ClockOffset(date - received, date + 1 - sent)


def measure_offset(
    read_date: Callable[[], float | None],
    *,
    max_error: float = _MAX_ERROR_SECONDS,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> ClockOffset | None:
    """Return the offset of a rasp's clock, or None if the rasp does not respond.

    The error exceeds `max_error` if the responses are too slow for it. With an error of 5 ms, this
    takes about five seconds.

    Args:
        read_date: Returns the time of the rasp in whole seconds, or None.
        max_error: Error in seconds at which to stop.
        clock: Returns seconds since the epoch.
        sleep: Sleeps for some seconds.
    """
    offset: ClockOffset | None = None
    for _ in range(_MAX_REQUESTS):
        sent = clock()
        date = read_date()
        received = clock()
        if date is None:
            return None
        observed = observed_offset(date, sent, received)
        offset = observed if offset is None else offset.narrowed(observed)
        if offset.error <= max_error or offset.error <= (received - sent) / 2:
            break
        sleep(_seconds_until_tick(offset, received))
    return offset


def _seconds_until_tick(offset: ClockOffset, now: float) -> float:
    """Return when the rasp's clock shows the next whole second if its offset is in the middle."""
    time_of_rasp = now + offset.seconds
    return ceil(time_of_rasp) - time_of_rasp


class RaspClocks:
    """Clocks of rasps, by the exporters, which listen on `port` of each rasp. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port

    def measure(
        self, addresses: Mapping[str, IPv4Address], *, max_error: float = _MAX_ERROR_SECONDS
    ) -> dict[str, ClockOffset | None]:
        """Return the offsets of rasps from the master's clock, by name. None if unknown.

        Args:
            addresses: Addresses of the rasps, by name.
            max_error: Error in seconds at which to stop. See `measure_offset`.
        """
        if not addresses:
            return {}
        with ThreadPoolExecutor(min(len(addresses), _MAX_THREADS), "clocks") as pool:
            measurements = {
                name: pool.submit(
                    measure_offset, partial(self._read_date, address), max_error=max_error
                )
                for name, address in addresses.items()
            }
            return {name: each.result() for name, each in measurements.items()}

    def _read_date(self, address: IPv4Address) -> float | None:
        try:
            response = bounded_http.get(
                f"http://{address}:{self._port}{_PATH}",
                timeout=_TIMEOUT_SECONDS,
                max_bytes=_MAX_RESPONSE_BYTES,
            )
            return parsedate_to_datetime(response.date).timestamp()
        except (OSError, ValueError, OverflowError, PiRackError):
            return None


def clock_problems(offsets: Mapping[str, ClockOffset | None], bound: float) -> list[str]:
    """Return the rasps whose clock is unknown, or may be farther off than a bound in seconds."""
    return [
        f"the clock of {name} is unknown"
        if offset is None
        else f"the clock of {name} is off by {format_offset(offset)}"
        for name, offset in offsets.items()
        if offset is None or not offset.is_within(bound)
    ]


def format_offset(offset: ClockOffset) -> str:
    """Return an offset with its error, in milliseconds or seconds."""
    if abs(offset.seconds) < 1:
        return f"{offset.seconds * 1000:+.0f} ms (±{offset.error * 1000:.0f} ms)"
    return f"{offset.seconds:+.1f} s"
