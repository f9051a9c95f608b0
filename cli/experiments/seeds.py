"""Seeds on the command line."""

import re

import click

_MAX_SEEDS = 10_000
_ITEM = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of a list such as `7`, `1-50` or `1-3,7`, in its order.

    Raises:
        ValueError: If the list is malformed.
    """
    seeds: dict[int, None] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item.strip())
        if match is None:
            raise ValueError(f"{item.strip()!r} is not a seed: write 7, 1-50 or 1-3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{item.strip()} is empty: write {last}-{first}")
        if len(seeds) + last - first >= _MAX_SEEDS:
            raise ValueError(f"{text} selects more than {_MAX_SEEDS} seeds: write fewer")
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def seeds_of_option(_: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    """Return the seeds of an option, as a callback of click."""
    try:
        return parse_seeds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from error
