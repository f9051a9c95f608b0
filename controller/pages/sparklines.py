"""Sparklines in the tiles of the rack: the last hour of the value that the tiles show."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from controller.state.prometheus import PrometheusUnavailableError
from controller.state.sparklines import STEPS, SparklineReader, Values

_HEIGHT = 32
_MIN_STEPS = 15
_MIN_RANGES: Mapping[str, float] = {"temperature": 10, "cpu": 1, "memory": 0.2, "watts": 2}
"""Smallest range of the scale of a quantity. It keeps small changes small."""


@dataclass(frozen=True, slots=True)
class Sparklines:
    """Lines of the rasps.

    Attributes:
        paths: The `d` attribute of the path of each line, keyed by the id of the rasp.
        view_box: The coordinates that are visible.
    """

    paths: Mapping[int, str] = field(default_factory=dict)
    view_box: str = ""


def has_sparklines(color: str) -> bool:
    """Return whether the value of a color mode is a number, which can be drawn as a line."""
    return color in _MIN_RANGES


def read_sparklines(reader: SparklineReader, color: str) -> Sparklines:
    """Return the sparklines of a color mode. Empty while Prometheus does not respond."""
    if not has_sparklines(color):
        return Sparklines()
    try:
        values = reader.read(color)
    except PrometheusUnavailableError:
        return Sparklines()  # the page shows the reason
    min_range = _MIN_RANGES[color]
    return Sparklines(
        {rasp_id: sparkline_path(line, min_range) for rasp_id, line in values.items()},
        view_box(values.values()),
    )


def view_box(lines: Collection[Values]) -> str:
    """Return the visible coordinates: from the first value of any line, but 15 minutes at least.

    A new rack would otherwise have its first minutes in the corner of an hour.
    """
    begins = (x for line in lines for x, value in enumerate(line) if value is not None)
    begin = min([STEPS - _MIN_STEPS, *begins])
    return f"{begin} 0 {STEPS - 1 - begin} {_HEIGHT}"


def sparkline_path(values: Values, min_range: float) -> str:
    """Return the path of a line with gaps where no value was read.

    The scale extends from the smallest to the largest value, and at least over `min_range`.
    Coordinates are rounded and relative, which makes the path short.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    scale = max(max(known) - min(known), min_range)
    middle = (max(known) + min(known)) / 2
    path, previous = "", None
    for x, value in enumerate(values):
        if value is None:
            previous = None
            continue
        y = round(_HEIGHT / 2 - _HEIGHT * (value - middle) / scale)
        # A line of zero length draws a single point as a round dot.
        path += f"M{x} {y}h0" if previous is None else f"l1 {y - previous}"
        previous = y
    return path
