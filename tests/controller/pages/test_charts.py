"""Tests of the coordinates of charts."""

import math

from controller.pages.charts import HEIGHT, WIDTH, LineChart, line_chart, state_timeline
from controller.pages.history import first_time
from controller.state.history import HistoryData

Points = list[tuple[float, float]]


def make_chart(points: Points) -> LineChart:
    return line_chart(
        {"03-2": points}, start=0, end=600, step=60, minimum=30, maximum=60, rounding=10
    )


def test_line_runs_from_left_to_right_and_scales_values() -> None:
    [line] = make_chart([(0, 30.0), (60, 60.0), (120, 45.0)]).lines
    assert line.path == f"M0 {HEIGHT}.0L60 0.0L120 {HEIGHT / 2}"
    assert (line.minimum, line.maximum, line.last) == (30.0, 60.0, 45.0)
    assert WIDTH == 600


def test_line_has_a_gap_between_distant_points() -> None:
    [line] = make_chart([(0, 40.0), (60, 40.0), (240, 40.0), (300, 40.0)]).lines
    assert line.path.count("M") == 2


def test_single_point_is_visible() -> None:
    [line] = make_chart([(300, 40.0)]).lines
    assert line.path.endswith("h0")


def test_infinite_values_and_nan_are_not_drawn() -> None:
    [line] = make_chart([(0, 40.0), (60, math.nan), (120, math.inf), (180, 41.0)]).lines
    assert "nan" not in line.path
    assert "inf" not in line.path
    assert make_chart([(0, math.nan)]).lines == ()


def test_scale_is_extended_to_multiples_of_the_rounding() -> None:
    extended, empty = make_chart([(0, 17.0), (60, 81.5)]), make_chart([])
    assert (extended.minimum, extended.maximum) == (10, 90)
    assert (empty.minimum, empty.maximum) == (30, 60)


def test_timeline_has_the_duration_of_each_state_and_of_missing_data() -> None:
    segments = state_timeline(
        [(60, 1.0), (120, 1.0), (180, 0.0), (480, 1.0)],
        {0.0: "down", 1.0: "up"},
        start=0,
        end=600,
        step=60,
        unknown="unknown",
    )
    assert [(segment.state, segment.seconds) for segment in segments] == [
        ("unknown", 60),
        ("up", 120),
        ("down", 60),
        ("unknown", 240),
        ("up", 60),
        ("unknown", 60),
    ]
    assert sum(segment.width for segment in segments) == WIDTH


def test_charts_begin_where_the_data_begin_but_show_fifteen_minutes() -> None:
    def history(first: float) -> HistoryData:
        points = tuple((float(time), 50.0) for time in range(int(first), 3601, 30))
        return HistoryData(0, 3600, 30, {"temperature": {2: points}, "state": {}})

    assert first_time(history(0)) == 0
    assert first_time(history(1200)) == 1200
    assert first_time(history(3300)) == 2700
    assert first_time(HistoryData(0, 3600, 30, {"temperature": {}})) == 0
