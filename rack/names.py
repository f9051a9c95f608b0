"""Printed names of stacks and rasps, and names that users abbreviate."""

from collections.abc import Iterable

HOST_NAME_PREFIX = "rasp-"


def stack_name(stack: int) -> str:
    """Return the name of a stack with two digits, so that names sort in numeric order: `03`."""
    return f"{stack:02}"


def rasp_name(stack: int, slot: int) -> str:
    """Return the name of the rasp in a slot, for example `03-2`."""
    return f"{stack_name(stack)}-{slot}"


def slot_target(stack: int, slot: int) -> str:
    """Return the target expression of a slot, for example `3/2`."""
    return f"{stack}/{slot}"


def matching_names(text: str, names: Iterable[str]) -> list[str]:
    """Return the name that equals a text, or all names that contain it."""
    names = list(names)
    return [text] if text in names else [name for name in names if text.lower() in name.lower()]
