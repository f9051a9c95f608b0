"""Compute the SVG coordinates of small charts.

Charts contain no text. The templates print scales and values next to them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from controller.state.history import Point

WIDTH, HEIGHT = 600, 120
"""Size of a chart in its own coordinates."""

_MAX_GAP_STEPS = 1.5
"""Points further apart than this number of steps are not connected."""

_Period = tuple[str, float, float]  # state, begin and end


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line: its name, the `d` attribute of its path, and its values."""

    name: str
    path: str
    minimum: float
    maximum: float
    last: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines on one scale from `minimum` to `maximum`."""

    minimum: float
    maximum: float
    lines: tuple[ChartLine, ...]


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """A period of one state: its coordinates and its duration."""

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
    """Return a line chart.

    Args:
        series: Points of each line, keyed by name and sorted by time.
        start: Time of the left edge, in seconds since the epoch.
        end: Time of the right edge.
        step: Seconds between consecutive points.
        minimum: Lower end of the scale. Smaller values extend the scale.
        maximum: Upper end of the scale. Larger values extend the scale.
        rounding: Both ends of the scale are multiples of this value.
    """
    values = [value for points in series.values() for _, value in points if math.isfinite(value)]
    minimum = math.floor(min([minimum, *values]) / rounding) * rounding
    maximum = math.ceil(max([maximum, *values]) / rounding) * rounding
    max_gap = _MAX_GAP_STEPS * step / (end - start) * WIDTH
    lines = []
    for name, points in series.items():
        finite = [point for point in points if math.isfinite(point[1])]
        if not finite:
            continue
        scaled = [
            (chart_x(time, start, end), HEIGHT - HEIGHT * (value - minimum) / (maximum - minimum))
            for time, value in finite
        ]
        values = [value for _, value in finite]
        lines.append(
            ChartLine(name, _svg_path(scaled, max_gap), min(values), max(values), values[-1])
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
    """Return the periods of each state.

    Args:
        points: Values of the state, sorted by time.
        labels: State for each value.
        start: Time of the left edge, in seconds since the epoch.
        end: Time of the right edge.
        step: Seconds that a point covers.
        unknown: State of periods without a point.
    """
    periods: list[_Period] = []
    covered_until = start
    for time, value in points:
        if time > covered_until:
            _append_period(periods, unknown, covered_until, time)
        until = min(time + step, end)
        _append_period(periods, labels.get(value, unknown), max(time, covered_until), until)
        covered_until = max(covered_until, until)
    _append_period(periods, unknown, covered_until, end)
    return _segments(periods, start, end)


def change_timeline(
    changes: Sequence[tuple[float, str]], *, start: float, end: float
) -> tuple[TimelineSegment, ...]:
    """Return the periods of states that each last until the next change.

    Args:
        changes: Time and new state of each change, sorted by time. The first state covers the time
            before it, too.
        start: Time of the left edge.
        end: Time of the right edge.
    """
    times = [start, *(min(max(time, start), end) for time, _ in changes[1:]), end]
    periods: list[_Period] = []
    for (_, state), (begin, until) in zip(changes, pairwise(times), strict=True):
        _append_period(periods, state, begin, until)
    return _segments(periods, start, end)


def chart_x(time: float, start: float, end: float) -> float:
    """Return the horizontal coordinate of a time."""
    return round(WIDTH * (time - start) / (end - start), 1)


def _segments(periods: Iterable[_Period], start: float, end: float) -> tuple[TimelineSegment, ...]:
    return tuple(
        TimelineSegment(
            state,
            chart_x(begin, start, end),
            round(chart_x(until, start, end) - chart_x(begin, start, end), 1),
            until - begin,
        )
        for state, begin, until in periods
    )


def _append_period(periods: list[_Period], state: str, begin: float, until: float) -> None:
    """Append a period, or extend the last one if it has the same state."""
    if until <= begin:
        return
    if periods and periods[-1][0] == state:
        begin = periods.pop()[1]
    periods.append((state, begin, until))


def _svg_path(points: Sequence[tuple[float, float]], max_gap: float) -> str:
    commands = []
    previous_x: float | None = None
    for x, y in points:
        is_start = previous_x is None or x - previous_x > max_gap
        commands.append(f"{'M' if is_start else 'L'}{x:g} {y:.1f}")
        previous_x = x
    # A line of zero length draws a single point as a round dot.
    return "".join(commands) + ("h0" if len(commands) == 1 else "")
