"""Small charts as the numbers that SVG wants: pure, so that a template needs to place them only.

A chart has no words inside: its scale stands beside it as text, which stays legible at any width.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.records import Point

WIDTH, HEIGHT = 600, 120
"""The size of a chart's own coordinates; it is stretched to the place that it gets."""

_GAP_STEPS = 1.5
"""Points further apart than so many steps are not joined: nobody knows what was between."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: its name, the `d` of its path, and what it says in numbers."""

    name: str
    path: str
    least: float
    most: float
    last: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over one scale from `low` to `high`."""

    low: float
    high: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time of one state in a strip: where it is drawn, and for how many seconds it went on."""

    word: str
    x: float
    width: float
    seconds: float


def line_chart(
    tracks: Mapping[str, Sequence[Point]],
    *,
    start: float,
    end: float,
    step: float,
    low: float,
    high: float,
    grid: float,
) -> LineChart:
    """Return the chart of some tracks, by name.

    Args:
        tracks: the points of each line, in order of time.
        start: the left end, in seconds since the epoch.
        end: the right end.
        step: seconds between points that belong together.
        low: where the scale begins; lower values make it begin lower.
        high: where it ends; higher values make it end higher.
        grid: the scale begins and ends at a multiple of this.
    """
    values = [value for points in tracks.values() for _, value in points if math.isfinite(value)]
    low = math.floor(min([low, *values]) / grid) * grid
    high = math.ceil(max([high, *values]) / grid) * grid
    lines = []
    for name, track in tracks.items():
        points = [point for point in track if math.isfinite(point[1])]
        if not points:
            continue
        scaled = [
            (_across(at, start, end), HEIGHT - HEIGHT * (value - low) / (high - low))
            for at, value in points
        ]
        numbers = [value for _, value in points]
        gap = _GAP_STEPS * step / (end - start) * WIDTH
        lines.append(Line(name, _path(scaled, gap), min(numbers), max(numbers), numbers[-1]))
    return LineChart(low, high, tuple(lines))


def strip(
    points: Iterable[Point],
    words: Mapping[float, str],
    *,
    start: float,
    end: float,
    step: float,
    unknown: str,
) -> tuple[Stretch, ...]:
    """Return the stretches of time in which a state was the same.

    Args:
        points: the state's numbers, in order of time.
        words: what each number means.
        start: the left end, in seconds since the epoch.
        end: the right end.
        step: seconds that a point speaks for.
        unknown: the word for the time that no point speaks for.
    """
    runs: list[tuple[str, float, float]] = []
    at = start
    for begin, value in points:
        word = words.get(value, unknown)
        if begin > at:
            _extend(runs, unknown, at, begin)
        _extend(runs, word, max(begin, at), min(begin + step, end))
        at = max(at, min(begin + step, end))
    _extend(runs, unknown, at, end)
    return tuple(
        Stretch(
            word,
            _across(begin, start, end),
            round(_across(until, start, end) - _across(begin, start, end), 1),
            until - begin,
        )
        for word, begin, until in runs
    )


def _extend(runs: list[tuple[str, float, float]], word: str, begin: float, until: float) -> None:
    if until <= begin:
        return
    if runs and runs[-1][0] == word:
        begin = runs.pop()[1]
    runs.append((word, begin, until))


def _across(at: float, start: float, end: float) -> float:
    return round(WIDTH * (at - start) / (end - start), 1)


def _path(points: Sequence[tuple[float, float]], gap: float) -> str:
    parts = []
    before: float | None = None
    for x, y in points:
        parts.append(f"{'M' if before is None or x - before > gap else 'L'}{x:g} {y:.1f}")
        before = x
    # A point alone is drawn by its round end, which needs a line of no length.
    return "".join(parts) + ("h0" if len(parts) == 1 else "")
