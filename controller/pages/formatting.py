"""How pages say what is: numbers with their units, times, and the colour of a reading."""

import time
from collections.abc import Mapping
from datetime import datetime

from flask import Flask

BANDS = 10
_MIN_CELSIUS, _CELSIUS_PER_BAND = 30, 5
_CORES_PER_BAND = 0.5

CONDITION_LABELS: Mapping[str, str] = {
    "under_voltage": "under-voltage",
    "frequency_capped": "clock capped",
    "throttled": "throttled",
    "soft_temperature_limit": "warm limit",
}
"""What the firmware says of power and heat, in people's words, the worst first."""

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")


def register(app: Flask) -> None:
    """Let an app's templates use these words."""
    for filter_ in (
        temperature_band,
        cpu_band,
        ratio_band,
        format_conditions,
        local_datetime,
        format_time,
        format_age,
        format_duration,
        format_bytes,
        format_number,
    ):
        app.add_template_filter(filter_)
    app.add_template_global(time_zone)


def temperature_band(celsius: float) -> int:
    """Return a temperature's band on the scale: 0 (below 35 °C) to 9 (from 75 °C), as shown."""
    return _clamp_band((round(celsius) - _MIN_CELSIUS) // _CELSIUS_PER_BAND)


def cpu_band(cores: float) -> int:
    """Return the band of so many busy cores: 0 (below 0.5) to 9 (from 4.5), as shown."""
    return _clamp_band(int(round(cores, 1) / _CORES_PER_BAND))


def ratio_band(ratio: float) -> int:
    """Return the band of a share: 0 (below 10 %) to 9 (from 90 %), as shown."""
    return _clamp_band(round(ratio * 100) // 10)


def _clamp_band(band: int) -> int:
    return min(max(band, 0), BANDS - 1)


def temperature_legend() -> list[str]:
    """Return the °C at which each band begins."""
    return [f"{_MIN_CELSIUS + i * _CELSIUS_PER_BAND}" for i in range(BANDS)]


def cpu_legend() -> list[str]:
    """Return the number of busy cores at which each band begins."""
    return [f"{i * _CORES_PER_BAND:.1f}" for i in range(BANDS)]


def ratio_legend() -> list[str]:
    """Return the share in percent at which each band begins."""
    return [f"{10 * i}" for i in range(BANDS)]


def format_conditions(active: frozenset[str]) -> list[str]:
    """Return what the firmware says, the worst first; a word that nobody knows as it stands."""
    known = [text for word, text in CONDITION_LABELS.items() if word in active]
    return known + sorted(active - CONDITION_LABELS.keys())


def local_datetime(seconds: float) -> datetime:
    """Return a time given in seconds since the epoch, to the second, in the master's time zone."""
    return datetime.fromtimestamp(int(seconds)).astimezone()


def format_time(seconds: float) -> str:
    """Return a time of today as `14:02:31`, any other as `2026-11-24 14:02`."""
    then = local_datetime(seconds)
    is_today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def time_zone() -> str:
    """Return the master's time zone, such as `CET`."""
    return local_datetime(time.time()).strftime("%Z")


def format_age(seconds: float) -> str:
    """Return how long a time is ago, roughly, so that a page does not change each second."""
    passed = max(time.time() - seconds, 0)
    for length, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= length:
            return f"{int(passed // length)} {word}"
    return "under a minute"


def format_duration(seconds: float) -> str:
    """Return how long something lasts: `45 s`, `2 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def format_bytes(number_of_bytes: float) -> str:
    """Return a number of bytes in three digits: `742 MB`."""
    value, unit = float(number_of_bytes), _BYTE_UNITS[0]
    for unit in _BYTE_UNITS:
        if abs(value) < 999.5 or unit == _BYTE_UNITS[-1]:  # noqa: PLR2004
            break
        value /= 1000
    digits = 0 if unit == "B" or abs(value) >= 99.5 else 1  # noqa: PLR2004
    return f"{value:.{digits}f} {unit}"


def format_number(value: float) -> str:
    """Return a reading in up to six digits, whole ones as they are."""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004
        return str(int(value))
    return f"{value:.6g}"
