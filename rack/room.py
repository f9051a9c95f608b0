"""Positions of the stacks in drawings of the room: on pages, in terminals and on dashboards."""

from collections.abc import Iterable


def compact_positions(numbers: Iterable[int]) -> dict[int, int]:
    """Return a position for each coordinate. Reduce each gap to one empty position, an aisle."""
    positions: dict[int, int] = {}
    position, previous = 0, 0
    for number in sorted(set(numbers)):
        position = position + min(number - previous, 2) if positions else 0
        positions[number], previous = position, number
    return positions
