"""Paths of sparklines."""

import pytest

from controller.pages.sparklines import sparkline_path, view_box


def test_line_extends_from_the_smallest_to_the_largest_value() -> None:
    assert sparkline_path((40.0, 50.0, 60.0), 10) == "M0 32h0l1 -16l1 -16"


def test_small_changes_are_drawn_small() -> None:
    assert sparkline_path((49.0, 51.0), 10) == "M0 19h0l1 -6"


@pytest.mark.parametrize(
    ("values", "path"),
    [
        pytest.param((50.0, None, 50.0, 50.0), "M0 16h0M2 16h0l1 0", id="a gap between values"),
        pytest.param((None, None, 50.0), "M2 16h0", id="a single value is a dot"),
        pytest.param((None, None), "", id="no value"),
    ],
)
def test_line_has_gaps_where_no_value_was_read(values: tuple[float | None, ...], path: str) -> None:
    assert sparkline_path(values, 10) == path


@pytest.mark.parametrize(
    ("first_step", "box"), [(0, "0 0 59 32"), (30, "30 0 29 32"), (58, "45 0 14 32")]
)
def test_lines_begin_where_the_data_begin_but_show_15_minutes(first_step: int, box: str) -> None:
    newest = (*[None] * 59, 50.0)
    other = (*[None] * first_step, *[50.0] * (60 - first_step))
    assert view_box([newest, other]) == box
