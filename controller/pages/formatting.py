"""Map values to color bands, and register the filters of the templates."""

from collections.abc import Mapping

from flask import Flask

from controller.pages.times import (
    clock_time,
    datetime_local,
    full_time,
    local_datetime,
    relative_time,
    time_zone,
)
from controller.state.durations import coarse_duration
from rack.bands import BANDS, clamp_band, temperature_band, temperature_limits
from rack.readings import format_reading, is_timestamp
from rack.units import format_available, format_energy, format_seconds, format_watts

_CORES_PER_BAND = 0.5

CONDITION_LABELS: Mapping[str, str] = {
    "under_voltage": "under-voltage",
    "frequency_capped": "frequency capped",
    "throttled": "throttled",
    "soft_temperature_limit": "soft temperature limit",
}
"""Labels of the firmware's power and temperature conditions, most severe first."""


def register(app: Flask) -> None:
    """Add the filters and globals to the templates of an application."""
    for filter_ in (
        temperature_band,
        cpu_band,
        ratio_band,
        watts_band,
        format_conditions,
        local_datetime,
        datetime_local,
        relative_time,
        clock_time,
        full_time,
        coarse_duration,
        format_duration,
        format_available,
        format_energy,
        format_seconds,
        format_reading,
        format_watts,
    ):
        app.add_template_filter(filter_)
    app.add_template_test(begins_with_word, "beginning_with_word")
    app.add_template_test(is_timestamp, "timestamp")
    app.add_template_global(time_zone)


def begins_with_word(text: str) -> bool:
    """Return whether a text begins with a word, and not with a path or a quotation."""
    return text.partition(" ")[0].rstrip(":,").isalpha()


def cpu_band(cores: float) -> int:
    """Return the band of a rounded number of busy cores: 0 (below 0.5) to 9 (4.5 and more)."""
    return clamp_band(int(round(cores, 1) / _CORES_PER_BAND))


def ratio_band(ratio: float) -> int:
    """Return the band of a rounded ratio: 0 (below 10 %) to 9 (90 % and more)."""
    return clamp_band(round(ratio * 100) // 10)


def watts_band(watts: float) -> int:
    """Return the band of a rounded power: 0 (below 1 W) to 9 (9 W and more)."""
    return clamp_band(int(round(watts, 1)))


def temperature_legend() -> list[str]:
    """Return the lower limit of each band in °C."""
    return [str(limit) for limit in temperature_limits()]


def cpu_legend() -> list[str]:
    """Return the lower limit of each band in busy cores."""
    return [f"{i * _CORES_PER_BAND:.1f}" for i in range(BANDS)]


def ratio_legend() -> list[str]:
    """Return the lower limit of each band in percent."""
    return [f"{10 * i}" for i in range(BANDS)]


def watts_legend() -> list[str]:
    """Return the lower limit of each band in watts."""
    return [f"{i}" for i in range(BANDS)]


def format_conditions(active: frozenset[str]) -> list[str]:
    """Return the labels of conditions, most severe first, unknown conditions last."""
    known = [label for name, label in CONDITION_LABELS.items() if name in active]
    return known + sorted(active - CONDITION_LABELS.keys())


def format_duration(seconds: float) -> str:
    """Format a duration, for example `45 s` or `2 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
