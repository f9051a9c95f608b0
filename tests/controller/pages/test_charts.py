"""Small charts: where their lines and stretches are drawn."""

import math

from controller.pages.charts import HEIGHT, WIDTH, LineChart, line_chart, state_timeline

Points = list[tuple[float, float]]


def make_chart(points: Points) -> LineChart:
    return line_chart(
        {"03-2": points}, start=0, end=600, step=60, minimum=30, maximum=60, rounding=10
    )


def test_a_line_goes_from_the_left_to_the_right_and_higher_values_stand_higher() -> None:
    [line] = make_chart([(0, 30.0), (60, 60.0), (120, 45.0)]).lines
    assert line.path == f"M0 {HEIGHT}.0L60 0.0L120 {HEIGHT / 2}"
    assert (line.minimum, line.maximum, line.last) == (30.0, 60.0, 45.0)
    assert WIDTH == 600


def test_where_nothing_was_read_the_line_has_a_gap() -> None:
    [line] = make_chart([(0, 40.0), (60, 40.0), (240, 40.0), (300, 40.0)]).lines
    assert line.path.count("M") == 2


def test_a_single_point_is_to_be_seen() -> None:
    [line] = make_chart([(300, 40.0)]).lines
    assert line.path.endswith("h0")


def test_what_is_no_number_is_not_drawn() -> None:
    [line] = make_chart([(0, 40.0), (60, math.nan), (120, math.inf), (180, 41.0)]).lines
    assert "nan" not in line.path
    assert "inf" not in line.path
    assert make_chart([(0, math.nan)]).lines == ()


def test_the_scale_grows_to_the_next_line_of_its_grid() -> None:
    grown = make_chart([(0, 17.0), (60, 81.5)])
    assert (grown.minimum, grown.maximum) == (10, 90)
    assert (make_chart([]).minimum, make_chart([]).maximum) == (30, 60)


def test_a_strip_tells_how_long_each_state_went_on_and_where_nobody_knows() -> None:
    stretches = state_timeline(
        [(60, 1.0), (120, 1.0), (180, 0.0), (480, 1.0)],
        {0.0: "down", 1.0: "up"},
        start=0,
        end=600,
        step=60,
        unknown="unknown",
    )
    assert [(stretch.state, stretch.seconds) for stretch in stretches] == [
        ("unknown", 60),
        ("up", 120),
        ("down", 60),
        ("unknown", 240),
        ("up", 60),
        ("unknown", 60),
    ]
    assert sum(stretch.width for stretch in stretches) == WIDTH
