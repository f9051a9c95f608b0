"""Durations on the command line, such as `20m` or `1h30m`."""

import re

import click

_DURATION = re.compile(r"(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")
_UNITS = (86400, 3600, 60, 1)


def parse_duration(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    """Return the seconds of a duration, as the callback of an option."""
    match = _DURATION.fullmatch(text)
    parts = match.groups(default="0") if match else ()
    seconds = sum(int(part) * unit for part, unit in zip(parts, _UNITS, strict=False))
    if not seconds:
        raise click.BadParameter(f"{text!r} is not a duration: write 20m, 1h30m or 90s")
    return float(seconds)
