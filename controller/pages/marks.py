"""Marks of events above the lanes of the rack page."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flask import request, url_for

from controller.activity.folding import EventGroup
from controller.activity.model import (
    ActivityFilter,
    ActivityKind,
    Event,
    Level,
    sees_everything,
    visible_kinds,
)
from controller.activity.reader import Activity, ActivityPage
from controller.activity.recorded import is_resolved
from controller.auth.roles import Role
from controller.cache import KeyedCache
from controller.pages.times import local_datetime
from controller.state.lanes import TimeWindow
from controller.state.moments import format_moment

MARK_KINDS = (
    ActivityKind.EXPERIMENT,
    ActivityKind.INSTALL,
    ActivityKind.REPLACEMENT,
    ActivityKind.ORDER,
    ActivityKind.POWER,
    ActivityKind.ALERT,
)
"""Kinds of events that have marks. Each kind has a line, in this order."""

SHAPES: Mapping[str, str] = {
    ActivityKind.EXPERIMENT: "M-2-5h4v3l3 7h-10l3-7z",
    ActivityKind.INSTALL: "M-4-4h8v8h-8z",
    ActivityKind.REPLACEMENT: "M-2-5h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    ActivityKind.ORDER: "M0-5 5 0 0 5-5 0z",
    ActivityKind.POWER: "M1-6-4 1h3l-1 5 6-7h-4z",
    ActivityKind.ALERT: "M0-5 5.5 4.5h-11z",
    "resolved": "M0 4.5-4.5-3.5h9z",
}
"""Path of each shape, around the position of the mark."""

_MAX_EVENTS = 2000
_MAX_AGE_SECONDS = 5.0
_MAX_CACHED = 16
_MIN_DISTANCE_PERCENT = 4.0
"""The width of a mark with its number on a phone."""

_MAX_TEXTS = 3
_DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Mark:
    """Events of a kind that are too close together for a mark each, oldest first."""

    kind: ActivityKind
    events: tuple[Event, ...]

    @property
    def shape(self) -> str:
        """Key of `SHAPES`. Alerts that start are more important than those that end."""
        return "resolved" if all(map(is_resolved, self.events)) else self.kind

    @property
    def is_combined(self) -> bool:
        """Whether there are several events."""
        return len(self.events) > 1

    @property
    def level(self) -> Level:
        """The most severe level."""
        return EventGroup(self.events).level

    @property
    def time(self) -> float:
        """Time of the first event."""
        return self.events[0].time

    @property
    def text(self) -> str:
        """What happened, in one line."""
        if self.events[0].change:
            return EventGroup(self.events[::-1]).title
        texts = [event.text for event in self.events]
        others = len(texts) - _MAX_TEXTS
        return "; ".join(texts[:_MAX_TEXTS]) + (f"; and {others} more" if others > 0 else "")

    def title(self, window: TimeWindow) -> str:
        """Return what happened, with its time."""
        time_format = "%H:%M:%S" if window.seconds <= _DAY_SECONDS else "%d %b %H:%M"
        moments = (self.events[0].time, self.events[-1].time)
        times = [local_datetime(moment).strftime(time_format) for moment in moments]
        return f"{' to '.join(dict.fromkeys(times))} {self.text}"

    def link(self, time_range: str) -> str:
        """Return the address of the event, or of a list of the events."""
        if len(self.events) == 1 and self.events[0].link:
            return f"{request.script_root}{self.events[0].link}"
        until = format_moment(self.events[-1].time + 1)
        return url_for("activity_pages.show", kind=self.kind, span=time_range, until=until)


def build_marks(events: Iterable[Event], window: TimeWindow) -> tuple[Mark, ...]:
    """Return the marks of events in the order of `MARK_KINDS` and of time.

    Events of a kind that are closer to the first one of a mark than its width are in this mark.
    """
    in_order = sorted(events, key=lambda event: event.time)
    return tuple(
        Mark(kind, tuple(group))
        for kind in MARK_KINDS
        for group in _close_together(
            [event for event in in_order if event.kind is kind],
            window.seconds * _MIN_DISTANCE_PERCENT / 100,
        )
    )


def _close_together(events: Sequence[Event], seconds: float) -> Iterator[list[Event]]:
    group: list[Event] = []
    for event in events:
        if group and event.time - group[0].time >= seconds:
            yield group
            group = []
        group.append(event)
    if group:
        yield group


class MarkReader:
    """Reader of the events that have marks. Each window is read once in a few seconds.

    Args:
        activity: Reader of everything that happened.
        clock: Returns seconds.
    """

    def __init__(self, activity: Activity, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._activity = activity
        self._cache = KeyedCache(
            self._load, max_size=_MAX_CACHED, max_age=_MAX_AGE_SECONDS, clock=clock
        )

    def read(self, window: TimeWindow, role: Role | None) -> ActivityPage:
        """Return the events of a window that a role sees."""
        # Roles that see the same share a reading.
        return self._cache.get((window, Role.OPERATOR if sees_everything(role) else None))

    def _load(self, key: tuple[TimeWindow, Role | None]) -> ActivityPage:
        window, role = key
        kinds = visible_kinds(role).intersection(MARK_KINDS)
        return self._activity.events(
            window.start, window.end, ActivityFilter(kinds), role=role, limit=_MAX_EVENTS
        )
