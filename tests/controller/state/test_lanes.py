"""Lanes of the stacks."""

from collections.abc import Iterator

import pytest

from controller.state.lanes import (
    LaneReader,
    LaneState,
    LaneStep,
    TimeWindow,
    build_steps,
    window_around,
)
from controller.state.prometheus import Prometheus, Series
from tests.controller.fakes import RACK
from tests.controller.recorded_prometheus import RecordedPrometheus, recorded_prometheus

WINDOW = TimeWindow(3000, 3180, 60)
UNKNOWN = LaneStep(LaneState.UNKNOWN)


def steps_of_stack_3(**quantities: dict[int, float]) -> list[LaneStep]:
    """Return the steps of stack 3 for the values of each quantity, keyed by time."""
    series = [
        Series({"stack": "03", "quantity": name}, tuple(sorted(values.items())))
        for name, values in quantities.items()
    ]
    steps = build_steps(RACK, series, WINDOW)
    assert steps["04"] == (UNKNOWN, UNKNOWN, UNKNOWN)
    return list(steps["03"])


def test_step_shows_the_highest_temperature_if_all_rasps_are_up() -> None:
    assert steps_of_stack_3(known={3060: 4, 3120: 4, 3180: 4}, celsius={3060: 47.5, 3120: 61}) == [
        LaneStep(LaneState.UP, 47.5),
        LaneStep(LaneState.UP, 61),
        LaneStep(LaneState.UP),
    ]


def test_step_shows_the_worst_state() -> None:
    known = {3060: 4.0, 3120: 4.0, 3180: 4.0}
    assert steps_of_stack_3(
        known=known, down={3060: 1, 3120: 4}, off={3180: 4}, celsius=dict.fromkeys(known, 50.0)
    ) == [LaneStep(LaneState.PARTLY_DOWN), LaneStep(LaneState.DOWN), LaneStep(LaneState.OFF)]


def test_step_is_unknown_without_the_state_of_a_rasp_that_was_pinged() -> None:
    assert steps_of_stack_3(
        known={3060: 3, 3120: 3}, pinged={3060: 4, 3120: 4}, down={3120: 1}, celsius={3060: 50}
    ) == [UNKNOWN, LaneStep(LaneState.PARTLY_DOWN), UNKNOWN]


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        pytest.param(None, 9990, id="now"),
        pytest.param(8000.0, 9990, id="within the range"),
        pytest.param(3000.0, 4800, id="in the middle if it is earlier"),
    ],
)
def test_window_contains_the_moment(moment: float | None, end: int) -> None:
    assert window_around("1h", moment, 10_000.0) == TimeWindow(end - 3600, end, 30)


@pytest.fixture
def recorded() -> Iterator[RecordedPrometheus]:
    with recorded_prometheus(RecordedPrometheus(RACK, 3500, 3560)) as recorded:
        yield recorded


def test_window_is_read_once(recorded: RecordedPrometheus) -> None:
    url = recorded.url
    reader = LaneReader(RACK, Prometheus(url), clock=lambda: 4000.0)
    window = reader.window("15m", None)
    lanes = reader.read(window)
    assert len(lanes.steps["03"]) == window.steps
    assert LaneStep(LaneState.PARTLY_DOWN) in lanes.steps["03"]
    assert set(lanes.steps["09"]) == {LaneStep(LaneState.OFF)}
    assert reader.read(window) is lanes
