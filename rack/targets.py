"""Parse target expressions such as `3` (stack 3), `3/2` (slot 2 of stack 3), `1-4/1` and `all`."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rack.errors import UnknownTargetError

if TYPE_CHECKING:  # rack.layout requires pydantic, which the extra `cli` does not install
    from rack.layout import Rack, Slot

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_SYNTAX_HINT = "write 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all"


def resolve_slots(rack: "Rack", expressions: Iterable[str]) -> "tuple[Slot, ...]":
    """Return the slots that the expressions select, sorted by id.

    Raises:
        UnknownTargetError: If an expression is malformed or selects a slot that does not exist.
    """
    targets = parse_targets([len(stack.slots) for stack in rack.stacks], expressions)
    return tuple(slot for slot in rack.slots if (slot.stack, slot.number) in targets)


def parse_targets(stack_sizes: Sequence[int], expressions: Iterable[str]) -> set[tuple[int, int]]:
    """Return the (stack, slot) pairs that the expressions select.

    Args:
        stack_sizes: Number of slots of each stack.
        expressions: Target expressions.

    Raises:
        UnknownTargetError: If an expression is malformed or selects a slot that does not exist.
    """
    return {target for expression in expressions for target in _parse_one(stack_sizes, expression)}


def _parse_one(stack_sizes: Sequence[int], expression: str) -> Iterable[tuple[int, int]]:
    count = len(stack_sizes)
    stacks, slash, slots = (f"1-{count}" if expression == "all" else expression).partition("/")
    for stack in _parse_numbers(stacks, expression):
        if not 1 <= stack <= count:
            raise UnknownTargetError(f"no stack {stack}: this rack has stacks 1 to {count}")
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
            raise UnknownTargetError(f"{expression!r} is not a valid target: {_SYNTAX_HINT}")
        numbers.extend(range(first, last + 1))
    return numbers
