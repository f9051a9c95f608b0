"""Turn the changes that Prometheus recorded into events of rasps and alerts."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from controller.activity.causes import RECORDING_SECONDS, stack_of
from controller.activity.model import ActivityKind, Event, Level
from controller.state.build import state_label
from controller.state.changes import (
    ALERT_CHANGE_DELAY_SECONDS,
    ALERT_CHANGE_SERIES,
    FIRST_UPTIME_SERIES,
    STATE_CHANGE_SERIES,
)
from controller.state.model import RaspStatus
from controller.state.prometheus import Series

BOOTED = "booted"
"""Change of a rasp that is up after a boot."""

_RESOLVED = ", resolved"
_NEW_BOOT_SECONDS = 600.0  # a first uptime above this does not prove a boot without a silence
_LEVELS: Mapping[str, Level] = {RaspStatus.DOWN: "critical", RaspStatus.UNKNOWN: "warning"}
_ALERT_LEVELS: Mapping[str, Level] = {"critical": "critical", "warning": "warning"}
_RASP_NAME = re.compile(r"[0-9]{2,4}-[0-9]{1,4}")
_STACK_NAME = re.compile(r"[0-9]{2,4}")
_NOT_IN_ID = re.compile(r"[^\w.-]+")
_COMMON_LABELS = {
    *("__name__", "alertname", "alertstate", "severity", "rack", "stack", "slot", "rasp"),
}
_WORD = re.compile(r"[A-Z][a-z0-9]*")
_ACRONYMS = {"dhcp": "DHCP", "gpio": "GPIO"}


def state_events(series: Iterable[Series]) -> list[Event]:
    """Return the changes of the states of rasps and their boots, in no particular order."""
    samples: defaultdict[str, list[tuple[float, bool, float]]] = defaultdict(list)
    for element in series:
        name = element.labels.get("__name__")
        if name in {STATE_CHANGE_SERIES, FIRST_UPTIME_SERIES}:
            is_uptime = name == FIRST_UPTIME_SERIES
            samples[element.labels.get("rasp", "")] += [
                (time, is_uptime, value) for time, value in element.points
            ]
    return [
        event
        for rasp, points in samples.items()
        if _RASP_NAME.fullmatch(rasp)
        for event in _rasp_events(rasp, sorted(points))
    ]


def _rasp_events(rasp: str, samples: Iterable[tuple[float, bool, float]]) -> Iterator[Event]:
    """Yield the events of a rasp: each new state once, and each boot once."""
    state = ""
    silent_since: float | None = None
    boot_time: float | None = None
    came_up: Event | None = None  # the last event, until it is known whether the rasp booted
    for time, is_uptime, value in samples:
        if came_up and time > came_up.time + RECORDING_SECONDS:
            yield came_up
            came_up = None
        if is_uptime:
            previous_boot, boot_time = boot_time, time - value
            if _is_boot(value, boot_time, previous_boot, silent_since):
                # The state is recorded up to a few seconds earlier or later than the uptime.
                came_up = _state_event(rasp, came_up.time if came_up else time, BOOTED)
                state = RaspStatus.UP
            continue
        new_state = state_label(value)
        if new_state == state:
            continue
        state = new_state
        if new_state == RaspStatus.UP:
            came_up = came_up or _state_event(rasp, time, new_state)
            continue
        if came_up:
            yield came_up
            came_up = None
        silent_since = time
        yield _state_event(rasp, time, new_state)
    if came_up:
        yield came_up


def _is_boot(
    uptime: float, boot_time: float, previous_boot: float | None, silent_since: float | None
) -> bool:
    """Return whether a first uptime is that of a new boot.

    Prometheus also reads a first uptime after a silence of the network, and after its own restart.
    """
    if previous_boot is not None and boot_time - previous_boot < RECORDING_SECONDS:
        return False
    if silent_since is not None:
        return boot_time > silent_since - RECORDING_SECONDS
    return uptime < _NEW_BOOT_SECONDS


def _state_event(rasp: str, time: float, change: str) -> Event:
    return Event(
        id=f"state-{rasp}-{time:.0f}",
        time=time,
        kind=ActivityKind.STATE,
        text=f"{rasp} {change}",
        change=change,
        rasps=(rasp,),
        link=f"/rasps/{rasp}",
        level=_LEVELS.get(change, ""),
    )


def alert_events(series: Iterable[Series]) -> list[Event]:
    """Return the starts and the ends of alerts, in no particular order.

    Two samples in a row with the same value are one change: rules that are evaluated more often
    than every five seconds record it repeatedly, and so does a restart of Prometheus.
    """
    return [
        _alert_event(element.labels, time - ALERT_CHANGE_DELAY_SECONDS, is_start=value > 0)
        for element in series
        if element.labels.get("__name__") == ALERT_CHANGE_SERIES
        for time, value in _changes(element.points)
    ]


def is_resolved(event: Event) -> bool:
    """Return whether an event is the end of an alert."""
    return event.kind is ActivityKind.ALERT and event.change.endswith(_RESOLVED)


def _changes(points: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the points whose value differs from the previous one."""
    previous: float | None = None
    for time, value in points:
        if value != previous:
            yield time, value
        previous = value


def _alert_event(labels: Mapping[str, str], time: float, *, is_start: bool) -> Event:
    name, rasp, stack = (labels.get(label, "") for label in ("alertname", "rasp", "stack"))
    rasps = (rasp,) if _RASP_NAME.fullmatch(rasp) else ()
    stacks = (stack_of(stack),) if not rasps and _STACK_NAME.fullmatch(stack) else ()
    problem = _alert_problem(name, has_place=bool(rasps or stacks))
    if not is_start:
        problem += _RESOLVED
    place = rasp if rasps else f"stack {stack}" if stacks else ""
    others = (labels[label] for label in sorted(labels.keys() - _COMMON_LABELS))
    parts = ["alert", name, rasp or stack, *others, f"{time:.0f}"]
    return Event(
        id=_NOT_IN_ID.sub("_", "-".join(filter(None, parts))),
        time=time,
        kind=ActivityKind.ALERT,
        text=f"{place} {problem}".lstrip(),
        change=problem,
        stacks=stacks,
        rasps=rasps,
        link=f"/rasps/{rasp}" if rasps else f"/stacks/{stacks[0]}" if stacks else "/alerts",
        level=_ALERT_LEVELS.get(labels.get("severity", ""), "") if is_start else "",
    )


def _alert_problem(name: str, *, has_place: bool) -> str:
    """Return what an alert reports: `very hot` for `PiRackRaspVeryHot` of a rasp."""
    words = [word.lower() for word in _WORD.findall(name.removeprefix("PiRack"))]
    if not name.startswith("PiRack") or not words:
        return name  # an alert of the user
    if has_place and len(words) > 1 and words[0] in {"rasp", "stack"}:
        words = words[1:]
    return " ".join(_ACRONYMS.get(word, word) for word in words)
