"""Small charts as the numbers that SVG wants: pure, so that a template needs to place them only.

A chart has no words inside: its scale stands beside it as text, which stays legible at any width.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.state.history import Point

WIDTH, HEIGHT = 600, 120
"""The size of a chart's own coordinates; it is stretched to the place that it gets."""

_MAX_GAP_STEPS = 1.5
"""Points further apart than so many steps are not joined: nobody knows what was between."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart: its name, the `d` of its path, and what it says in numbers."""

    name: str
    path: str
    minimum: float
    maximum: float
    last: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over one scale from `minimum` to `maximum`."""

    minimum: float
    maximum: float
    lines: tuple[ChartLine, ...]


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """A time of one state in a strip: where it is drawn, and for how many seconds it went on."""

    state: str
    x: float
    width: float
    seconds: float


def line_chart(
    series: Mapping[str, Sequence[Point]],
    *,
    start: float,
    end: float,
    step: float,
    minimum: float,
    maximum: float,
    rounding: float,
) -> LineChart:
    """Return the chart of some tracks, by name.

    Args:
        series: the points of each line, in order of time.
        start: the left end, in seconds since the epoch.
        end: the right end.
        step: seconds between points that belong together.
        minimum: where the scale begins; lower values make it begin lower.
        maximum: where it ends; higher values make it end higher.
        rounding: the scale begins and ends at a multiple of this.
    """
    values = [value for points in series.values() for _, value in points if math.isfinite(value)]
    minimum = math.floor(min([minimum, *values]) / rounding) * rounding
    maximum = math.ceil(max([maximum, *values]) / rounding) * rounding
    lines = []
    for name, track in series.items():
        points = [point for point in track if math.isfinite(point[1])]
        if not points:
            continue
        scaled = [
            (_x(at, start, end), HEIGHT - HEIGHT * (value - minimum) / (maximum - minimum))
            for at, value in points
        ]
        numbers = [value for _, value in points]
        gap = _MAX_GAP_STEPS * step / (end - start) * WIDTH
        lines.append(
            ChartLine(name, _svg_path(scaled, gap), min(numbers), max(numbers), numbers[-1])
        )
    return LineChart(minimum, maximum, tuple(lines))


def state_timeline(
    points: Iterable[Point],
    labels: Mapping[float, str],
    *,
    start: float,
    end: float,
    step: float,
    unknown: str,
) -> tuple[TimelineSegment, ...]:
    """Return the stretches of time in which a state was the same.

    Args:
        points: the state's numbers, in order of time.
        labels: what each number means.
        start: the left end, in seconds since the epoch.
        end: the right end.
        step: seconds that a point speaks for.
        unknown: the word for the time that no point speaks for.
    """
    runs: list[tuple[str, float, float]] = []
    at = start
    for begin, value in points:
        word = labels.get(value, unknown)
        if begin > at:
            _append_segment(runs, unknown, at, begin)
        _append_segment(runs, word, max(begin, at), min(begin + step, end))
        at = max(at, min(begin + step, end))
    _append_segment(runs, unknown, at, end)
    return tuple(
        TimelineSegment(
            word,
            _x(begin, start, end),
            round(_x(until, start, end) - _x(begin, start, end), 1),
            until - begin,
        )
        for word, begin, until in runs
    )


def _append_segment(
    segments: list[tuple[str, float, float]], state: str, begin: float, until: float
) -> None:
    if until <= begin:
        return
    if segments and segments[-1][0] == state:
        begin = segments.pop()[1]
    segments.append((state, begin, until))


def _x(at: float, start: float, end: float) -> float:
    return round(WIDTH * (at - start) / (end - start), 1)


def _svg_path(points: Sequence[tuple[float, float]], gap: float) -> str:
    parts = []
    before: float | None = None
    for x, y in points:
        parts.append(f"{'M' if before is None or x - before > gap else 'L'}{x:g} {y:.1f}")
        before = x
    # A point alone is drawn by its round end, which needs a line of no length.
    return "".join(parts) + ("h0" if len(parts) == 1 else "")
