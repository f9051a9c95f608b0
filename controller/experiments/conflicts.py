"""Find faults that overlap on a stack, or take too many rasps down, at the same time.

A fault takes time only while the power is off. Faults of places that are not resolved have no
stacks and no rasps, so they conflict with none.
"""

from collections.abc import Iterable

from controller.experiments.plan import PlannedFault
from rack.errors import PiRackError


class ConflictError(PiRackError, ValueError):
    """A fault conflicts with earlier faults.

    Attributes:
        fault: The later fault.
        key: Key of its table that is to be changed.
        problem: What is wrong.
        hint: How to correct it.
    """

    def __init__(self, fault: PlannedFault, key: str, problem: str, hint: str) -> None:
        self.fault, self.key, self.problem, self.hint = fault, key, problem, hint
        super().__init__(f"{problem}: {hint}")


def require_no_conflict(faults: Iterable[PlannedFault], max_booting: int) -> None:
    """Check that the faults are possible together.

    Args:
        faults: All faults of a plan.
        max_booting: Setting `orders.max_booting`.

    Raises:
        ConflictError: If two faults overlap on a stack, or too many rasps would boot at once.
    """
    down: list[PlannedFault] = []
    for fault in sorted(faults, key=lambda each: (each.at, each.number)):
        down = [each for each in down if each.ends_at >= fault.at]
        _require_free_stacks(down, fault)
        down.append(fault)
        _require_boots(down, fault, max_booting)


def _require_free_stacks(down: Iterable[PlannedFault], fault: PlannedFault) -> None:
    for earlier in down:
        if common := set(earlier.stacks) & set(fault.stacks):
            raise ConflictError(
                fault,
                "at",
                f"faults {earlier.number} and {fault.number} overlap on stack {min(common)}",
                f"start fault {fault.number} after {earlier.ends_at:.3f} s, or pick other stacks",
            )


def _require_boots(down: Iterable[PlannedFault], fault: PlannedFault, max_booting: int) -> None:
    count = sum(len(each.rasps) for each in down if each.takes_down)
    if fault.takes_down and count > max_booting:
        raise ConflictError(
            fault,
            "pick",
            f"{count} rasps would boot at the same time, but orders.max_booting is {max_booting}",
            "pick fewer rasps, or increase orders.max_booting in rack.toml",
        )
