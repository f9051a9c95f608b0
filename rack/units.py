"""Units in texts for people."""

_JOULES_PER_WATT_HOUR = 3600
_KILO = 1000


def format_energy(joules: float) -> str:
    """Format an energy in watt-hours, for example `0.025 Wh`, `3.4 Wh` or `1.2 kWh`."""
    watt_hours = joules / _JOULES_PER_WATT_HOUR
    if watt_hours >= _KILO:
        return f"{watt_hours / _KILO:.1f} kWh"
    return f"{watt_hours:.1f} Wh" if watt_hours >= 1 else f"{watt_hours:.3f} Wh"
