"""Racks of any geometry that rack.toml allows."""

from hypothesis import strategies as st

from rack.layout import Rack
from rack.layout_file import parse

_HEAD = """
name = "{name}"
[network]
subnet = "10.23.0.0/16"
master = "10.23.0.1"
address = "10.23.{{stack}}.{{slot}}"
[relays]
active_high = true
contact = "normally_closed"
"""
_STACK = """
[[stacks]]
pin = {pin}
x = {x}
y = {y}
slots = {slots}
"""


def make_rack(*stacks: tuple[int, int, int], name: str = "small") -> Rack:
    """Return a rack; a stack is its x, its y and its number of slots."""
    tables = [
        _STACK.format(pin=2 + index, x=x, y=y, slots=slots)
        for index, (x, y, slots) in enumerate(stacks)
    ]
    return parse(_HEAD.format(name=name) + "".join(tables))


_coordinates = st.one_of(st.integers(0, 12), st.integers(0, 999))
_stacks = st.tuples(_coordinates, _coordinates, st.one_of(st.integers(1, 8), st.integers(1, 254)))

racks = st.lists(_stacks, min_size=1, max_size=26, unique_by=lambda stack: stack[:2]).map(
    lambda stacks: make_rack(*stacks)
)
