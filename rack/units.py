"""Units in texts for people."""

_JOULES_PER_WATT_HOUR = 3600
_KILO = 1000
_MINUTE = 60
_SHORT_SECONDS = ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms"))
_LONG_SECONDS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_HERTZ_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (0, ""))
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MAX_SHOWN = 1023.5  # more would be rounded to 1024
_MIN_WITHOUT_DECIMALS = 99.95  # more would be rounded to 100.0


def format_energy(joules: float) -> str:
    """Format an energy in watt-hours, for example `0.025 Wh`, `3.4 Wh` or `1.2 kWh`."""
    watt_hours = joules / _JOULES_PER_WATT_HOUR
    if watt_hours >= _KILO:
        return f"{watt_hours / _KILO:.1f} kWh"
    return f"{watt_hours:.1f} Wh" if watt_hours >= 1 else f"{watt_hours:.3f} Wh"


def format_watts(watts: float) -> str:
    """Format a power, for example `3.4 W`."""
    return f"{watts:.1f} W"


def format_hertz(hertz: float) -> str:
    """Format a frequency, for example `1.5 GHz`."""
    scale, prefix = next(each for each in _HERTZ_PREFIXES if abs(hertz) >= each[0])
    return f"{hertz / (scale or 1):.4g} {prefix}Hz"


def format_seconds(seconds: float) -> str:
    """Format a duration, for example `43 µs`, `1.5 s`, `4 min 12 s` or `2 d 3 h`."""
    if seconds < 0:
        return f"-{format_seconds(-seconds)}"
    for limit, factor, unit in _SHORT_SECONDS:
        if 0 < seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    if seconds < _MINUTE:
        return f"{seconds:.3g} s"
    parts: list[tuple[int, str]] = []
    rest = int(seconds)
    for length, unit in _LONG_SECONDS:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def format_bytes(number_of_bytes: float) -> str:
    """Format a size with a binary unit, for example `64 MiB` or `3.7 GiB`."""
    value, unit = float(number_of_bytes), _BYTE_UNITS[0]
    for unit in _BYTE_UNITS:
        if value < _MAX_SHOWN or unit == _BYTE_UNITS[-1]:
            break
        value /= 1024
    digits = 0 if value.is_integer() or value >= _MIN_WITHOUT_DECIMALS else 1
    return f"{value:.{digits}f} {unit}"


def format_available(available: int, total: int) -> str:
    """Format the available part of a memory or a disk, for example `2.9 of 3.7 GiB available`."""
    available_text, total_text = format_bytes(available), format_bytes(total)
    number, _, unit = available_text.partition(" ")
    shown = number if total_text.endswith(f" {unit}") else available_text
    return f"{shown} of {total_text} available"
