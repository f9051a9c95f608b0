"""What happened in a run of an experiment, as a time line of its faults over its operations."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.experiments.model import EventKind, Rate, Run, RunEvent, RunState
from controller.experiments.plan import POWER_KINDS, PlannedFault
from controller.pages.charts import (
    LineChart,
    TimelineSegment,
    change_timeline,
    chart_x,
    line_chart,
)
from controller.state.history import Point
from rack.names import stack_name

_OUTCOMES = ("ok", "fail", "info")
_MAX_POINTS = 600  # of a line


@dataclass(frozen=True, slots=True)
class FaultTimes:
    """A fault and when it happened. Times count from the start of the faults, None is unknown.

    Attributes:
        fault: The fault.
        started_at: When the power was cut, or the order for another fault was submitted.
        seconds_off: Longest time that one of its stacks or rasps was without power.
        silent_at: When the first stack or rasp stopped to reply.
        answered_at: When the last stack or rasp replied again.
        x: Coordinate of its start, None if it is outside of the time line.
    """

    fault: PlannedFault
    started_at: float | None
    seconds_off: float | None
    silent_at: float | None
    answered_at: float | None
    x: float | None


@dataclass(frozen=True, slots=True)
class PowerBar:
    """States of a stack, or of a rasp whose own outlet was switched.

    Attributes:
        name: Name of the stack or rasp, for example `02` or `02-1`.
        stack: Number of the stack.
        is_rasp: Whether it is of a rasp.
        segments: Periods that are `up`, `off` (without power) or `down` (silent).
    """

    name: str
    stack: int
    is_rasp: bool
    segments: tuple[TimelineSegment, ...]


@dataclass(frozen=True, slots=True)
class RunTimeline:
    """Time line of a run. Times count from the start of the faults, in seconds.

    Attributes:
        start: Time of the left edge.
        end: Time of the right edge.
        operations: Operations of the client per second, by outcome.
        states: States of the run.
        bars: States of each stack, or of its rasps if some have switched outlets of their own.
        faults: The faults.
    """

    start: float
    end: float
    operations: LineChart
    states: tuple[TimelineSegment, ...]
    bars: tuple[PowerBar, ...]
    faults: tuple[FaultTimes, ...]


def faults_start(events: Sequence[RunEvent]) -> float:
    """Return the monotonic time at which the faults started, or that of the first event."""
    for event in events:
        if event.kind is EventKind.STATE and event.text == RunState.FAULTS:
            return event.monotonic
    return events[0].monotonic if events else 0.0


def run_timeline(run: Run, events: Sequence[RunEvent], rates: Sequence[Rate]) -> RunTimeline | None:
    """Return the time line of a run, or None as long as there is nothing to show.

    Args:
        run: The run.
        events: Its events, in order.
        rates: Its operations in each second, in order.
    """
    states = [(event.monotonic, event.text) for event in events if event.kind is EventKind.STATE]
    if not states:
        return None
    origin = faults_start(events)
    steady = [time for time, text in states if text == RunState.STEADY]
    start = (steady or [states[0][0]])[0] - origin
    last_rates = [rates[-1].second + 1.0] if rates else []
    end = max([events[-1].monotonic, *last_rates]) - origin
    if end <= start:
        return None
    relative = [(time - origin, text) for time, text in states]
    return RunTimeline(
        start=start,
        end=end,
        operations=line_chart(
            _operations(rates, origin),
            start=start,
            end=end,
            step=_bucket_seconds(rates),
            minimum=0,
            maximum=10,
            rounding=10,
        ),
        states=change_timeline(relative, start=start, end=end),
        bars=tuple(
            PowerBar(
                rasp or stack_name(stack),
                stack,
                rasp is not None,
                change_timeline(_changes(stack, rasp, events, origin), start=start, end=end),
            )
            for stack in run.plan.stacks
            for rasp in _bars_of(stack, run, events)
        ),
        faults=tuple(_fault_times(fault, events, origin, start, end) for fault in run.plan.faults),
    )


def _bucket_seconds(rates: Sequence[Rate]) -> int:
    """Return the seconds that one point of a line covers."""
    if not rates:
        return 1
    return math.ceil((rates[-1].second - rates[0].second + 1) / _MAX_POINTS)


def _operations(rates: Sequence[Rate], origin: float) -> dict[str, list[Point]]:
    """Return the operations per second of each outcome that occurred. A second may lack a rate."""
    if not rates:
        return {}
    width, first = _bucket_seconds(rates), rates[0].second
    buckets = (rates[-1].second - first) // width + 1
    series = {}
    for outcome in _OUTCOMES:
        counts = [0] * buckets
        for rate in rates:
            counts[(rate.second - first) // width] += getattr(rate, outcome)
        if any(counts):
            series[outcome] = [
                (first + (number + 0.5) * width - origin, count / width)
                for number, count in enumerate(counts)
            ]
    return series


def _bars_of(stack: int, run: Run, events: Iterable[RunEvent]) -> Sequence[str | None]:
    """Return the rasps of a stack that have bars, or None for a bar of the whole stack."""
    own = {event.rasp for event in events if event.stack == stack and event.rasp is not None}
    if not own:
        return [None]
    nodes = {node for node in run.plan.nodes if node.startswith(f"{stack_name(stack)}-")}
    return sorted(own | nodes)


def _changes(
    stack: int, rasp: str | None, events: Iterable[RunEvent], origin: float
) -> list[tuple[float, str]]:
    """Return the times and states of a stack or of one of its rasps, in order."""
    is_on, is_silent = True, False
    changes = [(-math.inf, "up")]
    for event in sorted(events, key=_time):
        if event.stack != stack or event.rasp not in {None, rasp}:
            continue
        match event.kind:
            case EventKind.EDGE:
                is_on = event.is_on is True
                is_silent = True
            case EventKind.SILENCE:
                is_silent = True
            case EventKind.ANSWER:
                is_silent = False
            case _:
                continue
        changes.append((_time(event) - origin, _state(is_on=is_on, is_silent=is_silent)))
    return changes


def _state(*, is_on: bool, is_silent: bool) -> str:
    if not is_on:
        return "off"
    return "down" if is_silent else "up"


def _fault_times(
    fault: PlannedFault, events: Sequence[RunEvent], origin: float, start: float, end: float
) -> FaultTimes:
    own = [event for event in events if event.fault == fault.number]
    starting = EventKind.EDGE if fault.kind in POWER_KINDS else EventKind.ORDER
    started_at = min((_time(event) for event in own if event.kind is starting), default=None)
    silences = [event.monotonic for event in own if event.kind is EventKind.SILENCE]
    answers = [event.monotonic for event in own if event.kind is EventKind.ANSWER]
    relative = None if started_at is None else started_at - origin
    return FaultTimes(
        fault=fault,
        started_at=relative,
        seconds_off=max(_seconds_off(own), default=None),
        silent_at=min(silences) - origin if silences else None,
        answered_at=max(answers) - origin if answers else None,
        x=None
        if relative is None or not start <= relative <= end
        else chart_x(relative, start, end),
    )


def _seconds_off(events: Sequence[RunEvent]) -> Iterator[float]:
    """Yield how long each stack or rasp was without power in a fault."""
    off_since: dict[tuple[int | None, str | None], float] = {}
    for event in events:
        outlet = event.stack, event.rasp
        if event.kind is EventKind.EDGE and event.is_on is False:
            off_since[outlet] = _time(event)
        elif event.kind is EventKind.EDGE and outlet in off_since:
            yield _time(event) - off_since.pop(outlet)


def _time(event: RunEvent) -> float:
    """Return when an event happened. A relay has switched when its edge is complete."""
    return event.monotonic if event.after is None else event.after
