"""How people name places: `3` is stack 3, `3/2` its slot 2, `1-4/1`, `3/1,3`, `all`."""

import re
from collections.abc import Iterable, Sequence

from rack.errors import UnknownPlace
from rack.layout import Rack, Slot

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_GRAMMAR = "write 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all"


def select(rack: Rack, words: Iterable[str]) -> tuple[Slot, ...]:
    """Return the slots that the words name, each once, in order of their ids.

    Raises:
        UnknownPlace: a word is not of the grammar, or names a place that this rack lacks.
    """
    chosen = find([len(stack.slots) for stack in rack.stacks], words)
    return tuple(slot for slot in rack.slots if (slot.stack, slot.number) in chosen)


def find(sizes: Sequence[int], words: Iterable[str]) -> set[tuple[int, int]]:
    """Return the places, (stack, slot), that the words name, where no more than sizes are known.

    Args:
        sizes: how many slots each stack has, in order of the stacks.
        words: what to look for.

    Raises:
        UnknownPlace: a word is not of the grammar, or names a place that is not there.
    """
    return {place for word in words for place in _find_one(sizes, word)}


def _find_one(sizes: Sequence[int], word: str) -> Iterable[tuple[int, int]]:
    stacks, slash, slots = (f"1-{len(sizes)}" if word == "all" else word).partition("/")
    for stack in _numbers(stacks, word):
        if not 1 <= stack <= len(sizes):
            raise UnknownPlace(f"no stack {stack}: this rack has stacks 1 to {len(sizes)}")
        size = sizes[stack - 1]
        for slot in _numbers(slots, word) if slash else range(1, size + 1):
            if not 1 <= slot <= size:
                raise UnknownPlace(f"no slot {stack}/{slot}: stack {stack} has slots 1 to {size}")
            yield stack, slot


def _numbers(text: str, word: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UnknownPlace(f"{word!r} names no place: {_GRAMMAR}")
        numbers.extend(range(first, last + 1))
    return numbers
