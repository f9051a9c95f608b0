"""Style sheet that places the stacks as they stand in the room."""

from collections.abc import Mapping

from rack.layout import Rack
from rack.room import compact_positions

# In rem, as in controller/assets/_rack.scss.
_PHONE_WIDTH = 44.0
_MARGINS = 1.5
_STACK_WIDTH = 5.0
_AISLE_WIDTH = 1.5
_GAP = 0.25


def layout_css(rack: Rack) -> str:
    """Return the rules for windows that are wide enough for the room.

    In narrower windows, the stacks follow each other by row and column. Wide rooms do not fit
    in any phone, but can be scrolled in larger windows.
    """
    columns = compact_positions(stack.x for stack in rack.stacks)
    rows = compact_positions(stack.y for stack in rack.stacks)
    min_width = min(_PHONE_WIDTH, _room_width(columns))
    lines = (
        f"@media (min-width:{min_width:g}rem){{",
        ".row-name{display:none}",
        f".rack{{grid-template:{_tracks(rows, 'var(--stack-row)')}"
        f"/{_tracks(columns, 'var(--stack-column)')}}}",
        *(
            f".stack-{stack.number}{{grid-area:{rows[stack.y] + 1}/{columns[stack.x] + 1}}}"
            for stack in rack.stacks
        ),
        "}",
    )
    return "\n".join(lines)


def _tracks(positions: Mapping[int, int], size: str) -> str:
    """Return the sizes of the rows or columns of the grid. Free ones are aisles."""
    occupied = set(positions.values())
    return " ".join(size if i in occupied else "var(--aisle)" for i in range(max(occupied) + 1))


def _room_width(columns: Mapping[int, int]) -> float:
    """Return the width of the narrowest window that the room fits into."""
    count = max(columns.values()) + 1
    aisles = count - len(columns)
    return _MARGINS + len(columns) * _STACK_WIDTH + aisles * _AISLE_WIDTH + (count - 1) * _GAP
