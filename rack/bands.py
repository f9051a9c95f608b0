"""Bands of values that have the same color, on pages and in terminals."""

BANDS = 10
_MIN_CELSIUS, _CELSIUS_PER_BAND = 30, 5


def temperature_band(celsius: float) -> int:
    """Return the band of a rounded temperature: 0 (below 35 °C) to 9 (75 °C and more)."""
    return clamp_band((round(celsius) - _MIN_CELSIUS) // _CELSIUS_PER_BAND)


def temperature_limits() -> list[int]:
    """Return the lower limit of each band in °C."""
    return [_MIN_CELSIUS + i * _CELSIUS_PER_BAND for i in range(BANDS)]


def clamp_band(band: int) -> int:
    """Return the nearest number of a band."""
    return min(max(band, 0), BANDS - 1)
