"""Tests of the time line of a run."""

import pytest

from controller.experiments.model import EventKind, Rate, Run, RunEvent
from controller.pages.charts import WIDTH
from controller.pages.run_timeline import PowerBar, RunTimeline, run_timeline
from tests.controller.pages.recorded_runs import (
    POWER_CUT,
    POWER_EVENTS,
    REBOOT,
    edge,
    event,
    run_with,
    states,
)


def timeline_of(run: Run, *events: RunEvent, rates: list[Rate] | None = None) -> RunTimeline:
    before, after = states()
    timeline = run_timeline(run, [*before, *events, *after], rates or [])
    assert timeline is not None
    return timeline


def bar(timeline: RunTimeline, name: str) -> PowerBar:
    [found] = [each for each in timeline.bars if each.name == name]
    return found


def segments(timeline: RunTimeline, name: str) -> list[tuple[str, float]]:
    return [(part.state, round(part.seconds, 2)) for part in bar(timeline, name).segments]


def test_time_line_starts_with_the_steady_state_and_counts_from_the_faults() -> None:
    timeline = timeline_of(run_with(POWER_CUT), *POWER_EVENTS)
    assert (timeline.start, timeline.end) == (-20.0, 80.0)
    assert [(part.state, part.seconds) for part in timeline.states] == [
        ("steady", 20.0),
        ("faults", 80.0),
    ]


def test_stack_is_without_power_until_it_is_on_and_silent_until_it_replies() -> None:
    timeline = timeline_of(run_with(POWER_CUT), *POWER_EVENTS)
    assert segments(timeline, "02") == [("up", 30.0), ("off", 5.01), ("down", 29.99), ("up", 35.0)]
    assert segments(timeline, "01") == [("up", 100.0)]
    assert bar(timeline, "02").segments[1].x == pytest.approx(WIDTH * 0.3)


def test_stack_that_reboots_is_silent_with_power() -> None:
    timeline = timeline_of(
        run_with(REBOOT),
        event(EventKind.ORDER, 29.8, fault=2),
        event(EventKind.SILENCE, 33.0, fault=2, stack=1),
        event(EventKind.ANSWER, 53.0, fault=2, stack=1),
    )
    assert segments(timeline, "01") == [("up", 53.0), ("down", 20.0), ("up", 27.0)]
    [fault] = timeline.faults
    assert fault.started_at == pytest.approx(29.8)
    assert (fault.seconds_off, fault.silent_at, fault.answered_at) == (None, 33.0, 53.0)


RASP_EVENTS = (
    edge(10.0, is_on=False, rasp="02-1"),
    event(EventKind.SILENCE, 10.2, fault=1, stack=2, rasp="02-1"),
    edge(12.0, is_on=False, rasp="02-2"),
    edge(15.0, is_on=True, rasp="02-1"),
    edge(18.5, is_on=True, rasp="02-2"),
    event(EventKind.ANSWER, 45.0, fault=1, stack=2, rasp="02-1"),
)


def test_rasps_of_a_stack_have_bars_of_their_own_if_one_has_an_edge() -> None:
    timeline = timeline_of(run_with(POWER_CUT), *RASP_EVENTS[:2], RASP_EVENTS[3], RASP_EVENTS[5])
    assert [(each.name, each.stack, each.is_rasp) for each in timeline.bars] == [
        ("01", 1, False),
        ("02-1", 2, True),
        ("02-2", 2, True),
    ]
    assert segments(timeline, "02-1") == [("up", 30.0), ("off", 5.0), ("down", 30.0), ("up", 35.0)]
    assert segments(timeline, "02-2") == [("up", 100.0)]


def test_time_without_power_is_that_of_each_rasp() -> None:
    [fault] = timeline_of(run_with(POWER_CUT), *RASP_EVENTS).faults
    assert fault.started_at == pytest.approx(10.0)
    assert fault.seconds_off == pytest.approx(6.5)


def test_fault_has_its_measured_times() -> None:
    [fault] = timeline_of(run_with(POWER_CUT), *POWER_EVENTS).faults
    assert fault.started_at == pytest.approx(10.0)
    assert fault.seconds_off == pytest.approx(5.01)
    assert fault.silent_at == pytest.approx(10.2)
    assert fault.answered_at == 45.0
    assert fault.x == pytest.approx(WIDTH * 0.3)


def test_fault_that_did_not_happen_has_no_times() -> None:
    [_, fault] = timeline_of(run_with(POWER_CUT, REBOOT), *POWER_EVENTS).faults
    assert (fault.started_at, fault.seconds_off, fault.answered_at, fault.x) == (None,) * 4


def test_seconds_without_a_rate_have_no_operations() -> None:
    rates = [Rate(1000, 100, 0, 2), Rate(1001, 90, 0, 0), Rate(1004, 50, 0, 0)]
    operations = timeline_of(run_with(), rates=rates).operations
    assert [(line.name, line.minimum, line.maximum) for line in operations.lines] == [
        ("ok", 0.0, 100.0),
        ("info", 0.0, 2.0),
    ]
    assert operations.lines[0].path.count("L") == 4
    assert operations.lines[0].path.count("M") == 1


def test_long_run_has_a_bounded_number_of_points() -> None:
    rates = [Rate(1000 + second, 10, 0, 0) for second in range(50_000)]
    [line] = timeline_of(run_with(), rates=rates).operations.lines
    assert line.path.count("L") < 600
    assert line.minimum > 1


def test_run_that_has_just_begun_has_no_time_line() -> None:
    assert run_timeline(run_with(), [], []) is None
    assert run_timeline(run_with(), states()[0][:1], []) is None
