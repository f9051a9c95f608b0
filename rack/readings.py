"""Values of metrics as texts for people, with the unit in which the name of the metric ends.

The units are the base units of Prometheus: https://prometheus.io/docs/practices/naming/#base-units
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from rack.units import format_bytes, format_energy, format_hertz, format_seconds, format_watts

_FIRST_TIMESTAMP = 1e9  # in 2001: smaller values are durations, or from a clock that is not set
_MAX_EXACT_INTEGER = 1e15


def is_timestamp(name: str, value: float) -> bool:
    """Return whether the value of a metric is a time in seconds since the epoch."""
    is_time = name.endswith(("_time_seconds", "_timestamp_seconds"))
    return is_time and math.isfinite(value) and value >= _FIRST_TIMESTAMP


def format_reading(name: str, value: float) -> str:
    """Format the value of a metric, for example `47.2 °C`, `412 MiB` or `1.5 GHz`.

    Args:
        name: Name of the metric, such as `cpu_temperature_celsius`.
        value: Its value. A value without a known unit is printed as a number.
    """
    if is_timestamp(name, value):
        return _format_timestamp(value)
    unit = name.removesuffix("_total").rpartition("_")[2]
    if unit in _FORMATS and math.isfinite(value):
        return _FORMATS[unit](value)
    return format_number(value)


def format_number(value: float) -> str:
    """Format a value with up to six digits. Integers keep all digits."""
    if math.isfinite(value) and value == int(value) and abs(value) < _MAX_EXACT_INTEGER:
        return str(int(value))
    return f"{value:.6g}"


def _format_timestamp(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds)).astimezone().isoformat(" ")
    except (OSError, OverflowError, ValueError):  # beyond the year 9999
        return f"{format_number(seconds)} s"


_FORMATS: Mapping[str, Callable[[float], str]] = {
    "amperes": lambda value: f"{value:.4g} A",
    "bytes": format_bytes,
    "celsius": lambda value: f"{value:.1f} °C",
    "hertz": format_hertz,
    "joules": format_energy,
    "meters": lambda value: f"{value:.4g} m",
    "ratio": lambda value: f"{100 * value:.3g} %",
    "seconds": format_seconds,
    "volts": lambda value: f"{value:.4g} V",
    "watts": format_watts,
}
