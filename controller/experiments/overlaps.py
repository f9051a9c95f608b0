"""Find faults that affect the same stack at the same time."""

from collections.abc import Iterable
from itertools import combinations

from controller.experiments.plan import PlannedFault


def find_overlap(faults: Iterable[PlannedFault]) -> tuple[PlannedFault, PlannedFault] | None:
    """Return two faults that overlap on a stack, the earlier one first, or None.

    A fault takes time only while the power is off. Faults of places that are not resolved overlap
    with none.
    """
    for first, second in combinations(sorted(faults, key=lambda each: each.at), 2):
        if second.at <= first.ends_at and not set(first.stacks).isdisjoint(second.stacks):
            return first, second
    return None
