"""Where each stack and each rasp is drawn: the rack as it stands in the room, after rack.toml.

Rows and columns are counted in whole places; a gap between stacks, however wide, is drawn as one
empty place. All rasps are drawn alike high, so that a short stack is seen to be short.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rack.layout import Rack, Slot, Stack

_ROW_GAP = 0.25  # between rows of stacks, in heights of a rasp
_HEADER_HEIGHT = 0.55  # a stack's name, in heights of a rasp
_PADDING = 0.09  # around what is in a stack, in heights of a rasp
_COLUMN_GAP = 0.06  # between stacks, in widths of a column
_SIDE_PADDING = 0.035  # beside what is in a stack, in widths of a column


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in percent of the drawing, from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, ratio: float) -> "Box":
        """Return what is left without a part of the width on each side."""
        side = round(self.width * ratio, 3)
        return Box(
            round(self.left + side, 3), self.top, round(self.width - 2 * side, 3), self.height
        )


@dataclass(frozen=True, slots=True)
class StackBoxes:
    """Where a stack, its name and its rasps are drawn."""

    stack: Stack
    frame: Box
    header: Box
    cells: tuple[tuple[Slot, Box], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A rack's drawing: how many columns wide, how many rasps high, and what is in it."""

    columns: int
    height: float
    stacks: tuple[StackBoxes, ...]


def compact_positions(numbers: Iterable[int]) -> dict[int, int]:
    """Return the place of each number on a line on which no gap is wider than one place."""
    found: dict[int, int] = {}
    place, before = 0, 0
    for number in sorted(set(numbers)):
        place = place + min(number - before, 2) if found else 0
        found[number], before = place, number
    return found


def draw(rack: Rack) -> Drawing:
    """Return where everything of a rack is drawn."""
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
    """Return the top of each row of stacks, and the height of all, in heights of a rasp."""
    most = dict.fromkeys(range(max(rows.values()) + 1), 0)
    for stack in rack.stacks:
        most[rows[stack.y]] = max(most[rows[stack.y]], len(stack.slots))
    tops: dict[int, float] = {}
    top = 0.0
    for row, slots in most.items():
        tops[row] = top
        top += (_HEADER_HEIGHT + slots + 3 * _PADDING if slots else _HEADER_HEIGHT) + _ROW_GAP
    return tops, top - _ROW_GAP


@dataclass(frozen=True, slots=True)
class _Scale:
    """Percents of the drawing in the width of a column, and in the height of a rasp."""

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
