"""Durations in coarse units."""


def coarse_duration(seconds: float) -> str:
    """Format a duration in minutes, hours or days.

    The coarse units keep a page from changing every second.
    """
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "less than 1 min"
