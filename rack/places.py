"""How people name places: `3` is stack 3, `3/2` its slot 2, `1-4/1`, `3/1,3`, `all`."""

import re
from collections.abc import Iterable

from rack.errors import UnknownPlace
from rack.layout import Rack, Slot

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")
_GRAMMAR = "write 3 (a stack), 3/2 (a slot), 1-4/1-2 (ranges), or all"


def select(rack: Rack, words: Iterable[str]) -> tuple[Slot, ...]:
    """Return the slots that the words name, each once, in order of their ids.

    Raises:
        UnknownPlace: a word is not of the grammar, or names a place that this rack lacks.
    """
    chosen = {slot for word in words for slot in _select_one(rack, word)}
    return tuple(sorted(chosen, key=lambda slot: slot.id))


def _select_one(rack: Rack, word: str) -> Iterable[Slot]:
    if word == "all":
        return rack.slots
    stacks, slash, slots = word.partition("/")
    numbers = [rack.stack(number) for number in _numbers(stacks, word)]
    if not slash:
        return [slot for stack in numbers for slot in stack.slots]
    wanted = set(_numbers(slots, word))
    for stack in numbers:
        if beyond := wanted - {slot.number for slot in stack.slots}:
            raise UnknownPlace(
                f"no slot {stack.number}/{min(beyond)}: stack {stack.number}"
                f" has slots 1 to {len(stack.slots)}"
            )
    return [slot for stack in numbers for slot in stack.slots if slot.number in wanted]


def _numbers(text: str, word: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UnknownPlace(f"{word!r} names no place: {_GRAMMAR}")
        numbers.extend(range(first, last + 1))
    return numbers
