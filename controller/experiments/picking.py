"""Pick the rasps or stacks of a fault among the nodes of a plan."""

import re
from collections.abc import Callable, Sequence

from controller.experiments.plan import POWER_KINDS, FaultKind
from rack.errors import PiRackError
from rack.layout import Outlet, Rack, Slot
from rack.selection import SelectionError, select_slots

PICKS = ("all", "each in turn", "minority", "majority")
"""Ways to pick that are words, and no names of places."""

_RANDOM = re.compile(r"random ([1-9][0-9]{0,5}) (stack|rasp)s?")
_FORMS = (
    '"random 1 stack", "random 2 rasps", "minority", "majority", "each in turn", "all",'
    " names of nodes, or the name of a [place.NAME]"
)

Choose = Callable[[Sequence[Sequence[Slot]], int], list[Sequence[Slot]]]
"""Returns a number of different items of a sequence."""


class PickError(PiRackError, ValueError):
    """A fault cannot have these rasps."""

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem}: {hint}")


def pick_groups(
    pick: str, kind: FaultKind, rack: Rack, nodes: Sequence[Slot], choose: Choose
) -> list[Sequence[Slot]]:
    """Return the rasps of each fault: one group, or several groups for `each in turn`.

    Args:
        pick: How to pick.
        kind: Kind of the fault. Power is cut per outlet.
        rack: Layout of the rack.
        nodes: Slots of the plan.
        choose: Makes the random choices.

    Raises:
        PickError: If the form is unknown, or there are too few nodes, or a name is not a node.
    """
    stacks = [[slot for slot in nodes if slot.stack == number] for number in _stacks(nodes)]
    units = _by_outlet(rack, nodes) if kind in POWER_KINDS else [[slot] for slot in nodes]
    text = " ".join(pick.split())
    if match := _RANDOM.fullmatch(text):
        available = stacks if match[2] == "stack" else [[slot] for slot in nodes]
        return [_choose(available, int(match[1]), match[2], choose)]
    match text:
        case "all":
            return [list(nodes)]
        case "each in turn":
            return list(units)
        case "minority" | "majority":
            count = (len(units) - 1) // 2 if text == "minority" else len(units) // 2 + 1
            if not count:
                shares = any(not rack.stack(slot.stack).has_outlet_per_slot for slot in nodes)
                unit = "stacks" if kind in POWER_KINDS and shares else "rasps"
                raise PickError(
                    f"{len(units)} {unit} have no minority",
                    f"select at least 3 {unit} as nodes, or pick otherwise",
                )
            return [_flatten(choose(units, count))]
    return [_named(text, rack, nodes)]


def resolve_place(names: Sequence[str], nodes: Sequence[Slot]) -> list[Slot]:
    """Return the slots of names or addresses of nodes, sorted by id.

    Raises:
        PickError: If there is no name, or a name is not a node.
    """
    slots = {key: slot for slot in nodes for key in (slot.name, slot.host_name, str(slot.address))}
    unknown = [name for name in names if name not in slots]
    if unknown or not names:
        problem = f"{unknown[0][:60]!r} is not a node" if unknown else "no node was named"
        raise PickError(problem, "print names or addresses of nodes")
    return sorted({slots[name] for name in names}, key=lambda slot: slot.id)


def _stacks(nodes: Sequence[Slot]) -> list[int]:
    return sorted({slot.stack for slot in nodes})


def _by_outlet(rack: Rack, nodes: Sequence[Slot]) -> list[list[Slot]]:
    groups: dict[Outlet, list[Slot]] = {}
    for slot in nodes:
        groups.setdefault(rack.stack(slot.stack).outlet_of(slot), []).append(slot)
    return list(groups.values())


def _flatten(groups: Sequence[Sequence[Slot]]) -> list[Slot]:
    return [slot for group in groups for slot in group]


def _choose(
    available: Sequence[Sequence[Slot]], count: int, kind: str, choose: Choose
) -> Sequence[Slot]:
    if count > len(available):
        raise PickError(
            f"{count} {kind}s are more than the {len(available)} among the nodes",
            f"pick at most {len(available)} {kind}s, or select more nodes",
        )
    return _flatten(choose(available, count))


def _named(text: str, rack: Rack, nodes: Sequence[Slot]) -> Sequence[Slot]:
    try:
        slots = select_slots(rack, text, ())
    except SelectionError as error:
        raise PickError(f"{text[:60]!r} picks nothing", f"use {_FORMS}") from error
    outside = [slot.name for slot in slots if slot not in nodes]
    if outside:
        raise PickError(
            f"{outside[0]} is not a node of this plan",
            f"pick from {', '.join(slot.name for slot in nodes)}",
        )
    return slots
