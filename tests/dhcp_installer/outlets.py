"""Outlets of simulated racks."""

from collections.abc import Collection, Mapping

from rack.layout import GPIO, Outlet


def stack_outlet(stack: int) -> Outlet:
    """Return the outlet that powers a whole stack."""
    return Outlet(stack, None, GPIO, str(stack))


def slot_outlet(stack: int, slot: int) -> Outlet:
    """Return the outlet that powers one slot."""
    return Outlet(stack, slot, "poe", f"{stack}.{slot}")


def rasp_counts(slots: Mapping[int, int], *, own: Collection[int] = ()) -> dict[Outlet, int]:
    """Return the number of slots that each outlet powers.

    Args:
        slots: Number of slots in each stack.
        own: Stacks with an outlet for each slot.
    """
    counts: dict[Outlet, int] = {}
    for stack, count in slots.items():
        if stack in own:
            counts |= {slot_outlet(stack, slot): 1 for slot in range(1, count + 1)}
        else:
            counts[stack_outlet(stack)] = count
    return counts
