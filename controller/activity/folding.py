"""Fold events with the same cause, and equal changes at the same time, into groups."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from controller.activity.model import ActivityKind, Event, Level
from rack.names import stack_name

_BURST_SECONDS = 60.0
_MIN_BURST_EVENTS = 3
_MAX_COUNTS = 4
_LEVELS: Sequence[Level] = ("", "warning", "critical")


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events that are shown together, newest first. There is at least one."""

    events: tuple[Event, ...]

    @property
    def newest(self) -> Event:
        """The newest event."""
        return self.events[0]

    @property
    def oldest(self) -> Event:
        """The oldest event."""
        return self.events[-1]

    @property
    def main(self) -> Event | None:
        """The only event, or the event of the order, install or run that caused the others."""
        if len(self.events) == 1:
            return self.events[0]
        return next((event for event in self.events if event.is_own_cause), None)

    @property
    def id(self) -> str:
        """Identifier that stays the same while further events are added."""
        return self.newest.cause.replace(" ", "-") or self.oldest.id

    @property
    def level(self) -> Level:
        """The most severe level."""
        return max((event.level for event in self.events), key=_LEVELS.index)

    @property
    def title(self) -> str:
        """One line, for example `12 stacks off`."""
        return self.main.text if self.main else self._counts

    @property
    def detail(self) -> str:
        """What was caused or, without the event of the cause, its name. Empty if there is none."""
        if self.main is None:
            return self.newest.cause
        return self._counts if len(self.events) > 1 else ""

    @property
    def kinds(self) -> tuple[ActivityKind, ...]:
        """The kind of the title or, without a main event, all kinds in order."""
        if self.main:
            return (self.main.kind,)
        present = {event.kind for event in self.events}
        return tuple(kind for kind in ActivityKind if kind in present)

    @property
    def _counts(self) -> str:
        """What happened to how many stacks and rasps, in the order of time."""
        places: dict[tuple[str, str], set[str]] = {}  # keyed by place and change
        for event in reversed(self.events):
            if event is not self.main:
                places.setdefault(_counted(event), set()).update(_place_names(event))
        texts = [_count_text(*counted, names) for counted, names in places.items()]
        return ", ".join(texts[:_MAX_COUNTS]) + (" …" if len(texts) > _MAX_COUNTS else "")


def fold(events: Iterable[Event]) -> list[EventGroup]:
    """Return groups of events, sorted by their newest events, newest first.

    Events with the same cause are a group. Without a cause, at least three events with the same
    change are a group if each follows the previous one within a minute.

    Args:
        events: Events, newest first.
    """
    members: dict[object, list[Event]] = {}
    bursts: dict[tuple[ActivityKind, str], int] = {}
    numbers = count()
    for event in events:
        key: object = event.cause or next(numbers)
        if not event.cause and event.change:
            burst = bursts.get((event.kind, event.change))
            if burst is not None and members[burst][-1].time - event.time <= _BURST_SECONDS:
                key = burst
            elif isinstance(key, int):
                bursts[event.kind, event.change] = key
        members.setdefault(key, []).append(event)
    groups = [
        EventGroup(tuple(part))
        for group in members.values()
        for part in (
            [group]
            if group[0].cause or len(group) >= _MIN_BURST_EVENTS
            else [[event] for event in group]
        )
    ]
    return sorted(groups, key=lambda group: group.newest.time, reverse=True)


def _counted(event: Event) -> tuple[str, str]:
    """Return what is counted: `stack`, `rasp` or the kind of the event, and the change."""
    if not event.change:
        return event.kind, ""
    return "stack" if event.stacks else "rasp" if event.rasps else "", event.change


def _place_names(event: Event) -> Iterable[str]:
    """Return the names of the stacks or rasps that changed, or the id of another event."""
    if not event.change:
        return [event.id]
    return [f"stack {stack_name(stack)}" for stack in event.stacks] or event.rasps or [event.id]


def _count_text(counted: str, change: str, names: Collection[str]) -> str:
    """Return a text such as `12 stacks off`, `03-2 down` or `3 orders`."""
    number = len(names)
    if not counted:
        return change if number == 1 else f"{number} times {change}"
    if change and number == 1:
        return f"{next(iter(names))} {change}"
    return f"{number} {counted}{'s' if number > 1 else ''} {change}".rstrip()
