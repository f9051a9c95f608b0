"""Positions of stacks and rasps in the drawing of a rack.

Gaps between stacks are reduced to one empty row or column. All rasps have the same height, so
stacks with fewer slots are shorter.
"""

from dataclasses import dataclass

from rack.layout import Rack, Slot, Stack
from rack.room import compact_positions

_ROW_GAP = 0.25  # between rows of stacks, in heights of a rasp
_HEADER_HEIGHT = 0.55  # of a stack's name, in heights of a rasp
_PADDING = 0.09  # above and below the contents of a stack, in heights of a rasp
_COLUMN_GAP = 0.06  # between stacks, in widths of a column
_SIDE_PADDING = 0.035  # left and right of the contents of a stack, in widths of a column


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in percent of the drawing, measured from the top left corner."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, ratio: float) -> "Box":
        """Return the box, narrowed on each side by the share `ratio` of the width."""
        side = round(self.width * ratio, 3)
        return Box(
            round(self.left + side, 3), self.top, round(self.width - 2 * side, 3), self.height
        )

    def part(self, left: float, width: float, height: float = 1) -> "Box":
        """Return a part at the top of the box. All numbers are relative to the box."""
        return Box(
            round(self.left + self.width * left, 3),
            self.top,
            round(self.width * width, 3),
            round(self.height * height, 3),
        )


@dataclass(frozen=True, slots=True)
class StackBoxes:
    """Boxes of a stack, of the stack's name and of the stack's rasps."""

    stack: Stack
    frame: Box
    header: Box
    cells: tuple[tuple[Slot, Box], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing of a rack. `height` is relative to the height of a rasp."""

    columns: int
    height: float
    stacks: tuple[StackBoxes, ...]


def draw(rack: Rack) -> Drawing:
    """Return the drawing of a rack."""
    columns = compact_positions(stack.x for stack in rack.stacks)
    rows = compact_positions(stack.y for stack in rack.stacks)
    tops, height = _row_tops(rack, rows)
    width = max(columns.values()) + 1
    scale = _Scale(100 / width, 100 / height)
    stacks = [
        _stack_boxes(stack, columns[stack.x], tops[rows[stack.y]], scale) for stack in rack.stacks
    ]
    return Drawing(width, height, tuple(stacks))


def _row_tops(rack: Rack, rows: dict[int, int]) -> tuple[dict[int, float], float]:
    """Return the top of each row and the total height, relative to the height of a rasp."""
    max_slots = dict.fromkeys(range(max(rows.values()) + 1), 0)
    for stack in rack.stacks:
        max_slots[rows[stack.y]] = max(max_slots[rows[stack.y]], len(stack.slots))
    tops: dict[int, float] = {}
    top = 0.0
    for row, slots in max_slots.items():
        tops[row] = top
        top += (_HEADER_HEIGHT + slots + 3 * _PADDING if slots else _HEADER_HEIGHT) + _ROW_GAP
    return tops, top - _ROW_GAP


@dataclass(frozen=True, slots=True)
class _Scale:
    """Width of a column and height of a rasp, in percent of the drawing."""

    column: float
    rasp: float

    def box(self, left: float, top: float, width: float, height: float) -> Box:
        return Box(
            *(
                round(number, 3)
                for number in (
                    left * self.column,
                    top * self.rasp,
                    width * self.column,
                    height * self.rasp,
                )
            )
        )


def _stack_boxes(stack: Stack, column: int, top: float, scale: _Scale) -> StackBoxes:
    left, width = column + _COLUMN_GAP / 2, 1 - _COLUMN_GAP
    inner_left, inner_width = left + _SIDE_PADDING, width - 2 * _SIDE_PADDING
    first = top + _HEADER_HEIGHT + 2 * _PADDING
    return StackBoxes(
        stack,
        scale.box(left, top, width, _HEADER_HEIGHT + len(stack.slots) + 3 * _PADDING),
        scale.box(inner_left, top + _PADDING, inner_width, _HEADER_HEIGHT),
        tuple(
            (slot, scale.box(inner_left, first + i + _PADDING / 2, inner_width, 1 - _PADDING))
            for i, slot in enumerate(stack.slots)
        ),
    )
