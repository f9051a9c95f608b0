"""Write many names of rasps and stacks as few target expressions, see `rack.targets`."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from rack.names import rasp_name, stack_name

_NAME = re.compile(r"([0-9]{2,4})(?:-([0-9]{1,4}))?")
_MAX_NAMES = 4


def abbreviate(names: Sequence[str]) -> list[str]:
    """Return up to four names as they are, and more names as target expressions.

    The 48 names `01-1` to `12-4` become `1..12/1..4`, and the stacks `01` to `06` become `1..6`.
    Texts of other forms are returned unchanged.
    """
    matches = [_NAME.fullmatch(name) for name in names]
    if len(names) <= _MAX_NAMES or not all(matches):
        return list(names)
    stacks: set[int] = set()
    slots: dict[int, set[int]] = {}
    for match in filter(None, matches):
        if match[2] is None:
            stacks.add(int(match[1]))
        else:
            slots.setdefault(int(match[1]), set()).add(int(match[2]))
    return [*_stack_expressions(stacks), *_rasp_expressions(slots)]


def _stack_expressions(stacks: Iterable[int]) -> list[str]:
    return [
        stack_name(first) if first == last else f"{first}..{last}"
        for first, last in _ranges(stacks)
    ]


def _rasp_expressions(slots: dict[int, set[int]]) -> list[str]:
    expressions = []
    for numbers, group in groupby(sorted(slots), key=lambda stack: sorted(slots[stack])):
        for first, last in _ranges(group):
            if first == last and len(numbers) == 1:
                expressions.append(rasp_name(first, numbers[0]))
            else:
                expressions.append(f"{_range_text(first, last)}/{_list_text(numbers)}")
    return expressions


def _list_text(numbers: Iterable[int]) -> str:
    return ",".join(_range_text(first, last) for first, last in _ranges(numbers))


def _range_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}..{last}"


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each range without gaps."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
