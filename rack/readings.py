"""Values of metrics as texts for people, with the unit in which the name of the metric ends."""

from collections.abc import Callable, Mapping
from datetime import datetime

from rack.units import format_bytes

_FIRST_TIMESTAMP = 1e9  # in 2001; less is a duration
_SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_reading(name: str, value: float) -> str:
    """Format the value of a metric, for example `47.2 °C`, `412 MiB` or `1.5 GHz`.

    Args:
        name: Name of the metric, such as `cpu_temperature_celsius`.
        value: Its value. A value without a known unit is printed as a number.
    """
    words = name.removesuffix("_total").split("_")
    if words[-2:] in (["time", "seconds"], ["timestamp", "seconds"]) and value >= _FIRST_TIMESTAMP:
        return _format_timestamp(value)
    return _FORMATS.get(words[-1], _format_number)(value)


def _format_number(value: float) -> str:
    return f"{value:.15g}"


def _with_unit(unit: str) -> Callable[[float], str]:
    return lambda value: f"{_format_number(value)} {unit}"


def _format_hertz(value: float) -> str:
    for scale, prefix in _SCALES:
        if abs(value) >= scale:
            return f"{value / scale:.4g} {prefix}Hz"
    return f"{_format_number(value)} Hz"


def _format_ratio(value: float) -> str:
    return f"{value * 100:.4g} %"


def _format_timestamp(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds)).astimezone().isoformat(" ")
    except (OSError, OverflowError, ValueError):  # beyond the year 9999
        return f"{_format_number(seconds)} s"


_FORMATS: Mapping[str, Callable[[float], str]] = {
    "amperes": _with_unit("A"),
    "bytes": format_bytes,
    "celsius": _with_unit("°C"),
    "hertz": _format_hertz,
    "joules": _with_unit("J"),
    "ratio": _format_ratio,
    "seconds": _with_unit("s"),
    "volts": _with_unit("V"),
    "watts": _with_unit("W"),
}
