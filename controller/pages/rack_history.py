"""Lanes of the stacks, marks and the choice of a moment, for the rack page."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from flask import request
from werkzeug.exceptions import UnprocessableEntity

from controller.activity.model import ActivityKind
from controller.activity.reader import UnavailableKinds
from controller.auth.access_control import current_actor
from controller.pages.formatting import format_duration
from controller.pages.marks import MARK_KINDS, SHAPES, Mark, MarkReader, build_marks
from controller.pages.times import local_datetime
from controller.state.history import TIME_RANGES
from controller.state.lanes import LaneReader, Lanes, LaneState, LaneStep, TimeWindow
from controller.state.moments import format_moment, parse_moment
from controller.state.prometheus import PrometheusUnavailableError
from rack.bands import temperature_band

DEFAULT_RANGE = "1h"

_TICK_SECONDS: Mapping[str, int] = {
    "15m": 180,
    "1h": 600,
    "6h": 3600,
    "24h": 4 * 3600,
    "7d": 86400,
}
_EDGE_PERCENT = 4.0
"""Labels of the time axis that are closer to an end would be cut off."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane: its name, the path of each class, and a description."""

    name: str
    paths: Mapping[str, str]
    description: str


@dataclass(frozen=True, slots=True)
class AxisTick:
    """A part of the time axis, which begins at a round time.

    Attributes:
        moment: ISO 8601 time of its begin.
        label: Its begin, or "" without a label.
        percent: Position of the begin.
        width: Width in percent.
    """

    moment: str
    label: str
    percent: float
    width: float


@dataclass(frozen=True, slots=True)
class RackHistory:
    """The lanes and the choice of a moment.

    Attributes:
        window: Time of the lanes.
        is_present: Whether the window ends now.
        time_range: Name of the time range.
        moment: The chosen moment in seconds since the epoch, or None for now.
        earlier: ISO 8601 time of the step before the moment.
        later: ISO 8601 time of the step after it, or "" if this is now.
        local_time: The moment or the end of the window, in the time zone of the master, for a form.
        lanes: The lanes. Empty if `error` is the reason.
        ticks: Parts of the time axis.
        marks: Marks. Those of a kind are on a line.
        marks_after: Time after which there are marks, if there are too many events before.
        unavailable: Kinds of events whose marks are missing.
        error: Reason why there are no lanes, or "".
    """

    window: TimeWindow
    is_present: bool
    time_range: str
    moment: float | None
    earlier: str
    later: str
    local_time: str
    lanes: tuple[LaneView, ...]
    ticks: tuple[AxisTick, ...]
    marks: tuple[Mark, ...]
    marks_after: float | None
    unavailable: tuple[UnavailableKinds, ...]
    error: str

    @property
    def mark_lines(self) -> Mapping[ActivityKind, Sequence[Mark]]:
        """Marks of each kind that occurs."""
        return {kind: tuple(marks) for kind, marks in groupby(self.marks, lambda mark: mark.kind)}

    @property
    def shapes(self) -> Sequence[str]:
        """Shapes of marks that occur."""
        return [name for name in SHAPES if name in {mark.shape for mark in self.marks}]

    @property
    def cursor(self) -> float:
        """Position of the moment in percent."""
        return 100.0 if self.moment is None else percent(self.moment, self.window)


def requested_moment() -> float | None:
    """Return the moment in the address of the current request, or None for now.

    Raises:
        UnprocessableEntity: If it is not a time.
    """
    text = request.args.get("at", "")
    try:
        return parse_moment(text) if text else None
    except ValueError as error:
        raise UnprocessableEntity(f"at: {error}") from error


def requested_range() -> str:
    """Return the time range of the current request."""
    time_range = request.args.get("span", DEFAULT_RANGE)
    return time_range if time_range in TIME_RANGES else DEFAULT_RANGE


def read_history(
    lanes: LaneReader, mark_reader: MarkReader, *, clock: Callable[[], float] = time.time
) -> RackHistory:
    """Return the history for the current request."""
    moment, time_range, now = requested_moment(), requested_range(), clock()
    window = lanes.window(time_range, moment)
    views: tuple[LaneView, ...] = ()
    error = ""
    try:
        views = build_lanes(lanes.read(window))
    except PrometheusUnavailableError as unavailable:
        error = str(unavailable)
    activity = mark_reader.read(window, current_actor().role)
    # Without a moment, the page does not change within a step.
    shown = window.end if moment is None else moment
    has_later = moment is not None and shown + window.step <= now
    return RackHistory(
        window,
        is_present=now - window.end < window.step,
        time_range=time_range,
        moment=moment,
        earlier=format_moment(max(shown - window.step, 0)),
        later=format_moment(shown + window.step) if has_later else "",
        local_time=local_datetime(shown).strftime("%Y-%m-%dT%H:%M:%S"),
        lanes=views,
        ticks=build_ticks(window, _TICK_SECONDS[time_range]),
        marks=build_marks(activity.events, window),
        marks_after=activity.older_end,
        unavailable=tuple(_unavailable_marks(activity.unavailable, error)),
        error=error,
    )


def _unavailable_marks(
    unavailable: Iterable[UnavailableKinds], error: str
) -> Iterator[UnavailableKinds]:
    """Yield the kinds of marks that are missing, unless the lanes are for the same reason."""
    for missing in unavailable:
        kinds = tuple(kind for kind in missing.kinds if kind in MARK_KINDS)
        if kinds and missing.reason != error:
            yield replace(missing, kinds=kinds)


def percent(moment: float, window: TimeWindow) -> float:
    """Return the horizontal position of a time in a window."""
    position = 100 * (moment - window.start) / window.seconds
    return round(min(max(position, 0), 100), 2)


def build_lanes(lanes: Lanes) -> tuple[LaneView, ...]:
    """Return the lanes of the stacks. The coordinates are numbers of steps."""
    return tuple(
        LaneView(name, _paths(steps), _describe(name, steps, lanes.window.step))
        for name, steps in lanes.steps.items()
    )


def _paths(steps: Sequence[LaneStep]) -> dict[str, str]:
    paths: defaultdict[str, list[str]] = defaultdict(list)
    x = 0
    for css_class, group in groupby(map(_css_class, steps)):
        width = len(list(group))
        paths[css_class].append(f"M{x} 0h{width}v1h-{width}z")
        x += width
    return {css_class: "".join(parts) for css_class, parts in paths.items()}


def _css_class(step: LaneStep) -> str:
    if step.celsius is not None:
        return f"band-{temperature_band(step.celsius)}"
    return f"lane-{step.state.replace(' ', '-')}"


def _describe(name: str, steps: Sequence[LaneStep], step_seconds: int) -> str:
    parts = []
    for state in LaneState:
        count = sum(step.state is state for step in steps)
        if count:
            parts.append(f"{state} {format_duration(count * step_seconds)}")
    hottest = max((step.celsius for step in steps if step.celsius is not None), default=None)
    if hottest is not None:
        parts.append(f"at most {hottest:.0f} °C")
    return f"Stack {name}: {', '.join(parts)}"


def build_ticks(window: TimeWindow, seconds: int) -> tuple[AxisTick, ...]:
    """Return the parts of the time axis, each of a number of seconds of local time."""
    offset = local_datetime(window.end).utcoffset()
    shift = int(offset.total_seconds()) if offset else 0
    first = -(-(window.start + shift) // seconds) * seconds - shift
    begins = [*([window.start] if first > window.start else []), *range(first, window.end, seconds)]
    ends = [*begins[1:], window.end]
    time_format = "%H:%M" if seconds < 86400 else "%d %b"  # noqa: PLR2004 - a day
    ticks = []
    for begin, end in zip(begins, ends, strict=True):
        position = percent(begin, window)
        is_labelled = begin >= first and _EDGE_PERCENT <= position <= 100 - _EDGE_PERCENT
        label = local_datetime(begin).strftime(time_format) if is_labelled else ""
        width = round(percent(end, window) - position, 2)
        ticks.append(AxisTick(format_moment(begin), label, position, width))
    return tuple(ticks)
