"""Style sheet that places the stacks of a rack."""

import re

import pytest
from hypothesis import given, settings

from controller.pages.layout_css import layout_css
from grafana import geometry
from rack.layout import Rack
from tests.grafana.racks import make_rack, racks


def placed_stacks(rack: Rack) -> dict[int, tuple[int, int]]:
    """Return row and column of each stack."""
    areas = re.findall(r"\.stack-(\d+)\{grid-area:(\d+)/(\d+)\}", layout_css(rack))
    return {int(stack): (int(row), int(column)) for stack, row, column in areas}


def test_gaps_of_any_width_are_one_aisle() -> None:
    rack = make_rack((1, 0, 4), (2, 0, 4), (4, 0, 2), (1, 7, 4))
    assert (
        ".rack{grid-template:var(--stack-row) var(--aisle) var(--stack-row)"
        "/var(--stack-column) var(--stack-column) var(--aisle) var(--stack-column)}"
    ) in layout_css(rack)
    assert placed_stacks(rack) == {1: (1, 1), 2: (1, 2), 3: (1, 4), 4: (3, 1)}


@pytest.mark.parametrize(
    ("columns", "min_width"), [((0, 1, 2, 3), "22.25"), ((0, 1, 3), "18.75"), (range(12), "44")]
)
def test_room_is_shown_on_a_phone_if_it_fits(columns: range, min_width: str) -> None:
    rack = make_rack(*((x, 0, 4) for x in columns))
    assert layout_css(rack).startswith(f"@media (min-width:{min_width}rem){{")


@given(racks)
@settings(max_examples=40)
def test_stacks_have_the_same_places_as_on_the_dashboard(rack: Rack) -> None:
    placed = placed_stacks(rack)
    drawing = geometry.draw(rack)
    columns = {each.stack.number: each.frame.left for each in drawing.stacks}
    tops = {each.stack.number: each.frame.top for each in drawing.stacks}
    assert placed.keys() == columns.keys()
    for stack, (row, column) in placed.items():
        assert column == 1 + int(columns[stack] / 100 * drawing.columns)
        same_row = {other for other, (its_row, _) in placed.items() if its_row == row}
        assert same_row == {other for other, top in tops.items() if top == tops[stack]}
