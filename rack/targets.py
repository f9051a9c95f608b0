"""How people name places: `3` is stack 3, `3/2` its slot 2, `1-4/1`, `3/1,3`, `all`."""

import re
from collections.abc import Iterable, Sequence

from rack.errors import UnknownTargetError
from rack.layout import Rack, Slot

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_SYNTAX_HINT = "write 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all"


def resolve_slots(rack: Rack, expressions: Iterable[str]) -> tuple[Slot, ...]:
    """Return the slots that the words name, each once, in order of their ids.

    Raises:
        UnknownPlace: a word is not of the grammar, or names a place that this rack lacks.
    """
    chosen = parse_targets([len(stack.slots) for stack in rack.stacks], expressions)
    return tuple(slot for slot in rack.slots if (slot.stack, slot.number) in chosen)


def parse_targets(stack_sizes: Sequence[int], expressions: Iterable[str]) -> set[tuple[int, int]]:
    """Return the places, (stack, slot), that the words name, where no more than sizes are known.

    Args:
        stack_sizes: how many slots each stack has, in order of the stacks.
        expressions: what to look for.

    Raises:
        UnknownPlace: a word is not of the grammar, or names a place that is not there.
    """
    return {place for word in expressions for place in _parse_one(stack_sizes, word)}


def _parse_one(stack_sizes: Sequence[int], expression: str) -> Iterable[tuple[int, int]]:
    stacks, slash, slots = (
        f"1-{len(stack_sizes)}" if expression == "all" else expression
    ).partition("/")
    for stack in _parse_numbers(stacks, expression):
        if not 1 <= stack <= len(stack_sizes):
            raise UnknownTargetError(
                f"no stack {stack}: this rack has stacks 1 to {len(stack_sizes)}"
            )
        size = stack_sizes[stack - 1]
        for slot in _parse_numbers(slots, expression) if slash else range(1, size + 1):
            if not 1 <= slot <= size:
                raise UnknownTargetError(
                    f"no slot {stack}/{slot}: stack {stack} has slots 1 to {size}"
                )
            yield stack, slot


def _parse_numbers(text: str, expression: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UnknownTargetError(f"{expression!r} names no place: {_SYNTAX_HINT}")
        numbers.extend(range(first, last + 1))
    return numbers
