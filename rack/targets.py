"""Parse targets, which are what users write for rasps and stacks.

A target expression is a stack (`3`), a rasp (`03-2`, `rasp-03-2` or `3/2`), a list (`3,5` or
`3/1,3`), a range (`1..4`, `1..4/1` or `3/1..2`) or `all`. A hyphen belongs to a name: `01-4` is
a rasp. `1-4` is rejected if it can be read as a rasp and as a range of stacks.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from rack.errors import UnknownTargetError
from rack.names import HOST_NAME_PREFIX, rasp_name, slot_target, stack_name

if TYPE_CHECKING:  # rack.layout requires pydantic, which the extra `cli` does not install
    from rack.layout import Rack, Slot, Stack

SYNTAX = "3 (a stack), 3/2 or 03-2 (a rasp), 1..4 or 1..4/1 (ranges), or all"
"""Examples of target expressions, for help texts."""

_ID = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(r"([0-9]{1,4})(?:(?:\.\.|-)([0-9]{1,4}))?")
_NAME = re.compile(rf"({HOST_NAME_PREFIX})?([0-9]{{1,4}})-([0-9]{{1,4}})", re.IGNORECASE)
_PLACE = re.compile(r"()([0-9]{1,4})/([0-9]{1,4})")
_MAX_SHOWN_CHARS = 40


class TargetParser:
    """Parser of target expressions.

    Args:
        stack_sizes: Number of slots of each stack of the rack.
    """

    def __init__(self, stack_sizes: Sequence[int]) -> None:
        self._stack_sizes = stack_sizes

    def slots(self, expressions: Iterable[str]) -> set[tuple[int, int]]:
        """Return the (stack, slot) pairs that the expressions select.

        Raises:
            UnknownTargetError: If an expression is malformed, can be read as a rasp and as stacks,
                or selects a stack or slot that does not exist.
        """
        return {
            (stack, number)
            for expression in expressions
            for stack, slot in self.parse(expression)
            for number in (range(1, self._stack_sizes[stack - 1] + 1) if slot is None else [slot])
        }

    def stacks(self, expressions: Iterable[str]) -> list[int]:
        """Return the numbers of the stacks that the expressions select, sorted.

        Raises:
            UnknownTargetError: As `slots`, or if an expression selects single rasps.
        """
        selected: set[int] = set()
        for expression in expressions:
            targets = list(self.parse(expression))
            numbers = {stack for stack, _ in targets}
            if any(slot is not None for _, slot in targets):
                raise UnknownTargetError(
                    f"{_shown(expression)} selects single rasps, but power is switched per stack:"
                    f" write {','.join(map(str, sorted(numbers)))}"
                )
            selected |= numbers
        return sorted(selected)

    def selects_whole_stacks(
        self, expressions: Iterable[str], own_outlets: Collection[int]
    ) -> bool:
        """Return whether expressions select whole stacks to switch, and not single rasps.

        Args:
            expressions: Target expressions.
            own_outlets: Numbers of the stacks whose rasps have outlets of their own.

        Raises:
            UnknownTargetError: As `slots`, or if the power of a rasp cannot be switched without
                that of other rasps.
        """
        selected = {expression: list(self.parse(expression)) for expression in expressions}
        if all(slot is None for targets in selected.values() for _, slot in targets):
            return True
        for expression, targets in selected.items():
            shared = [stack for stack, _ in targets if stack not in own_outlets]
            if not shared:
                continue
            self.stacks([expression])  # raises the error for a single rasp
            raise UnknownTargetError(
                f"the rasps of stack {shared[0]} share an outlet: switch whole stacks and single"
                " rasps with two commands"
            )
        return False

    def parse(self, expression: str) -> Iterator[tuple[int, int | None]]:
        """Yield (stack, slot) for each rasp and (stack, None) for each whole stack.

        Raises:
            UnknownTargetError: As `slots`.
        """
        if expression == "all":
            expression = f"1..{len(self._stack_sizes)}"
        stacks, slash, slots = expression.partition("/")
        if slash:
            for stack in _parse_numbers(stacks, expression):
                for slot in _parse_numbers(slots, expression):
                    self.require_slot(stack, slot)
                    yield stack, slot
            return
        for part in stacks.split(","):
            if named := self._parse_name(part):
                yield named
                continue
            for stack in _parse_numbers(part, expression):
                self._require_stack(stack)
                yield stack, None

    def require_slot(self, stack: int, slot: int) -> None:
        """Raise `UnknownTargetError` if a stack or a slot does not exist."""
        if not self._has_slot(stack, slot):
            raise UnknownTargetError(self._describe_missing(stack, slot))

    def _require_stack(self, stack: int) -> None:
        if 1 <= stack <= len(self._stack_sizes):
            return
        hint = ""
        if 1 <= stack <= sum(self._stack_sizes):  # the id of a rasp, which is also printed
            hint = f". The rasp with id {stack} is {self._name_of_id(stack)}"
        raise UnknownTargetError(f"{self._describe_missing(stack)}{hint}")

    def _has_slot(self, stack: int, slot: int) -> bool:
        return 1 <= stack <= len(self._stack_sizes) and 1 <= slot <= self._stack_sizes[stack - 1]

    def _describe_missing(self, stack: int, slot: int = 0) -> str:
        count = len(self._stack_sizes)
        if not 1 <= stack <= count:
            return f"no stack {stack}: this rack has stacks 1 to {count}"
        size = self._stack_sizes[stack - 1]
        names = f"{slot_target(stack, slot)} ({rasp_name(stack, slot)})"
        return f"no slot {names}: stack {stack} has slots 1 to {size}"

    def _name_of_id(self, number: int) -> str:
        names = (
            rasp_name(stack, slot)
            for stack, size in enumerate(self._stack_sizes, start=1)
            for slot in range(1, size + 1)
        )
        return next(islice(names, number - 1, None))

    def _parse_name(self, text: str) -> tuple[int, int] | None:
        """Return the stack and the slot of a name, or None if the text is not a name."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        stack, slot = int(match[2]), int(match[3])
        is_padded = match[2].startswith("0") or _is_printed_name(text, stack, slot)
        can_be_range = not match[1] and 0 < stack <= slot
        if self._has_slot(stack, slot):
            if _is_printed_name(text, stack, slot):
                return stack, slot
            if is_padded or not can_be_range:
                raise _misspelled_name(text, stack, slot)
            raise UnknownTargetError(
                f"{text} can be a rasp or a range of stacks: write {slot_target(stack, slot)} for"
                f" rasp {rasp_name(stack, slot)}, or {stack}..{slot} for the stacks"
            )
        if can_be_range and not is_padded:
            return None
        hint = f". Stacks {stack} to {slot} are written {stack}..{slot}" if can_be_range else ""
        raise UnknownTargetError(f"{self._describe_missing(stack, slot)}{hint}")


def parse_targets(rack: "Rack", expressions: Iterable[str]) -> frozenset[tuple[int, int | None]]:
    """Return (stack, slot) of each selected rasp, and (stack, None) of each whole stack.

    Raises:
        UnknownTargetError: As `TargetParser.slots`.
    """
    parser = _parser_for(rack)
    return frozenset(target for text in expressions for target in parser.parse(text))


def resolve_slots(rack: "Rack", expressions: Iterable[str]) -> "tuple[Slot, ...]":
    """Return the slots that target expressions select, sorted by id.

    Raises:
        UnknownTargetError: As `TargetParser.slots`.
    """
    targets = _parser_for(rack).slots(expressions)
    return tuple(slot for slot in rack.slots if (slot.stack, slot.number) in targets)


def selects_whole_stacks(rack: "Rack", expressions: Iterable[str]) -> bool:
    """Return whether targets of power actions are whole stacks, and not single rasps.

    Raises:
        UnknownTargetError: As `TargetParser.selects_whole_stacks`.
    """
    own_outlets = {stack.number for stack in rack.stacks if stack.has_outlet_per_slot}
    return _parser_for(rack).selects_whole_stacks(expressions, own_outlets)


def resolve_slot(rack: "Rack", text: str) -> "Slot":
    """Return the slot of a rasp. The text is an id, a name, a host name, or a place such as `3/2`.

    Raises:
        UnknownTargetError: If the rasp does not exist, or the text has another form.
    """
    if _ID.fullmatch(text):
        return rack.slot(int(text))
    match = _PLACE.fullmatch(text) or _NAME.fullmatch(text)
    if match is None:
        raise UnknownTargetError(
            f"{_shown(text)} is not a rasp: write an id, or a name such as 03-2 or 3/2"
        )
    stack, slot = int(match[2]), int(match[3])
    _parser_for(rack).require_slot(stack, slot)
    if "/" not in text and not _is_printed_name(text, stack, slot):
        raise _misspelled_name(text, stack, slot)
    return rack.stack(stack).slots[slot - 1]


def resolve_stack(rack: "Rack", text: str) -> "Stack":
    """Return the stack with a number or name, for example `3` or `03`.

    Raises:
        UnknownTargetError: If the stack does not exist, or the text has another form.
    """
    if not _ID.fullmatch(text):
        raise UnknownTargetError(f"{_shown(text)} is not a stack: write its number, such as 3")
    return rack.stack(int(text))


def printed_name(rack: "Rack", text: str) -> str:
    """Return the name of the rasp or stack that a text selects, or the text if there is none."""
    try:
        targets = list(_parser_for(rack).parse(text))
    except UnknownTargetError:
        return text
    if len(targets) != 1:
        return text
    [(stack, slot)] = targets
    return stack_name(stack) if slot is None else rasp_name(stack, slot)


def search_text(rack: "Rack", text: str) -> str:
    """Return the text to search for in stored names, which is the name of a rasp for `3/2`.

    Numbers are unchanged, because they also occur in other texts.
    """
    return text if text.isdecimal() else printed_name(rack, text)


def _parser_for(rack: "Rack") -> TargetParser:
    return TargetParser([len(stack.slots) for stack in rack.stacks])


def _parse_numbers(text: str, expression: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UnknownTargetError(f"{_shown(expression)} is not a valid target: write {SYNTAX}")
        numbers.extend(range(first, last + 1))
    return numbers


def _is_printed_name(text: str, stack: int, slot: int) -> bool:
    return text.lower().removeprefix(HOST_NAME_PREFIX) == rasp_name(stack, slot)


def _misspelled_name(text: str, stack: int, slot: int) -> UnknownTargetError:
    return UnknownTargetError(
        f"{text} is not the name of a rasp: write {rasp_name(stack, slot)}"
        f" or {slot_target(stack, slot)}"
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…")
