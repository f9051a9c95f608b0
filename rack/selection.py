"""Select whole stacks or rasps by number or by name: `3 stacks`, `12 rasps`, `stacks 1-3`, `all`.

Counts are chosen from stacks that the caller offers. Names are target expressions, see
`rack.targets`.
"""

import re
from collections.abc import Collection, Sequence

from rack.errors import PiRackError, UnknownTargetError
from rack.layout import Rack, Slot
from rack.targets import resolve_slots

SYNTAX = '"3 stacks", "12 rasps", "stacks 1-3", "all", or names such as "03-2 4/1"'
"""Examples of selections, for messages."""

_COUNT = re.compile(r"([1-9][0-9]{0,5}) (stack|rasp)s?")
_STACKS = re.compile(r"stacks? (.+)")
_RANGE = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")


class SelectionError(PiRackError, ValueError):
    """A selection is malformed, or selects more than is available. The text contains a fix."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem}: {hint}")


def select_slots(
    rack: Rack, selection: str, offered: Sequence[int], allowed: Collection[int] | None = None
) -> tuple[Slot, ...]:
    """Return the selected slots, sorted by id.

    Args:
        rack: Layout of the rack.
        selection: What to select, see `SYNTAX`.
        offered: Numbers of the stacks from which counts are chosen, in order of preference.
        allowed: Numbers of the stacks to which the selection is limited, or None for all stacks.

    Raises:
        SelectionError: If the selection is malformed, or too few stacks are offered or allowed.
    """
    text = " ".join(selection.split())
    if match := _COUNT.fullmatch(text):
        slots = _first(rack, int(match[1]), match[2], offered)
    elif text == "all":
        slots = [slot for slot in rack.slots if allowed is None or slot.stack in allowed]
    else:
        slots = list(_named(rack, text))
    outside = sorted({slot.stack for slot in slots} - set(allowed)) if allowed is not None else []
    if outside:
        raise SelectionError(
            f"{text[:60]!r} selects stack {outside[0]}, which is not reserved",
            f"select from stacks {', '.join(map(str, sorted(allowed or ())))}",
        )
    return tuple(sorted(slots, key=lambda slot: slot.id))


def select_stacks(
    rack: Rack, selection: str, offered: Sequence[int], allowed: Collection[int] | None = None
) -> tuple[int, ...]:
    """Return the numbers of the stacks of the selected slots, sorted. Args as `select_slots`."""
    return tuple(sorted({slot.stack for slot in select_slots(rack, selection, offered, allowed)}))


def count_of(selection: str) -> tuple[int, str] | None:
    """Return the number and the kind, `stack` or `rasp`, of a selection by number, or None."""
    match = _COUNT.fullmatch(" ".join(selection.split()))
    return (int(match[1]), match[2]) if match else None


def _first(rack: Rack, count: int, kind: str, offered: Sequence[int]) -> list[Slot]:
    """Return the slots of the first stacks, or the first rasps, of the offered stacks."""
    units = [
        unit
        for stack in map(rack.stack, offered)
        for unit in ([stack.slots] if kind == "stack" else [(slot,) for slot in stack.slots])
    ]
    if count > len(units):
        raise SelectionError(
            f"{count} {kind}s are more than the {len(units)} available ones"
            if units
            else "no stack is available",
            f"select at most {len(units)} {kind}s" if units else "wait until a stack is available",
        )
    return [slot for unit in units[:count] for slot in unit]


def _named(rack: Rack, text: str) -> tuple[Slot, ...]:
    names = text
    if match := _STACKS.fullmatch(text):
        names = _RANGE.sub(r"\1..\2", match[1])  # after the word `stacks` this is no rasp
    try:
        return resolve_slots(rack, re.split(r" *, +| +,? *", names))  # `3/1,3` is one expression
    except UnknownTargetError as error:
        raise SelectionError(str(error), f"select by {SYNTAX}") from error
