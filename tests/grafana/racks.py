"""Hypothesis strategy for racks of any geometry."""

from hypothesis import strategies as st

from rack.layout import Rack
from rack.layout_file import parse
from tests.helpers.layouts import layout_text


def make_rack(*stacks: tuple[int, int, int], name: str = "small") -> Rack:
    """Return a rack. Each stack is a tuple of x, y and the number of slots."""
    tables = [
        {"pin": pin, "x": x, "y": y, "slots": slots}
        for pin, (x, y, slots) in enumerate(stacks, start=2)
    ]
    return parse(layout_text(tables, name=name))


_coordinates = st.one_of(st.integers(0, 12), st.integers(0, 999))
_stacks = st.tuples(_coordinates, _coordinates, st.one_of(st.integers(1, 8), st.integers(1, 254)))

racks = st.lists(_stacks, min_size=1, max_size=26, unique_by=lambda stack: stack[:2]).map(
    lambda stacks: make_rack(*stacks)
)
