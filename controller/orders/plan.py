"""Resolved order requests."""

from collections.abc import Collection
from dataclasses import dataclass

from controller.errors import InvalidActionError
from controller.orders.actions import POWER_CYCLE, Action, Actions
from controller.orders.model import OrderRequest, TargetResult
from controller.orders.power_group import PowerGroup, group_of_rasp
from rack.layout import Rack, Slot, Stack


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """A valid request with its resolved action and targets.

    Args:
        request: The request as submitted.
        action: The resolved action.
        slots: The resolved slots without duplicates, sorted by id.
        stacks: The stacks of these slots, sorted by number.
        groups: For power actions, what is switched: whole stacks, or single rasps.
    """

    request: OrderRequest
    action: Action
    slots: tuple[Slot, ...]
    stacks: tuple[Stack, ...]
    groups: tuple[PowerGroup, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stacks that a power action switches, otherwise names of the rasps."""
        if self.action.is_power:
            return tuple(group.target.name for group in self.groups)
        return tuple(slot.name for slot in self.slots)

    def open_results(self, installed: Collection[tuple[int, int]]) -> tuple[TargetResult, ...]:
        """Return the initial results, one for each target.

        Power actions on stacks also have a result for each installed rasp.

        Args:
            installed: (stack, slot) of the installed rasps.
        """
        if not self.action.is_power or self.request.scope == "rasps":
            return tuple(TargetResult("rasp", slot.name, slot.id) for slot in self.slots)
        return tuple(
            result
            for stack in self.stacks
            for result in (
                TargetResult("stack", stack.name, stack.number),
                *(
                    TargetResult("rasp", slot.name, slot.id)
                    for slot in stack.slots
                    if (slot.stack, slot.number) in installed
                ),
            )
        )


def require_timing_possible(
    plan: OrderPlan, installed: Collection[tuple[int, int]], max_booting: int
) -> None:
    """Reject a request that cannot keep planned times.

    Args:
        plan: A valid request.
        installed: (stack, slot) of the installed rasps.
        max_booting: Setting `orders.max_booting`.

    Raises:
        InvalidActionError: If the action is not a power cycle, or if more rasps would boot at the
            same time than may.
    """
    if plan.action.name != POWER_CYCLE:
        raise InvalidActionError("action", f"only {POWER_CYCLE} accepts planned times")
    booting = sum(group.booting_rasps(group.outlets, installed) for group in plan.groups)
    if booting > max_booting:
        raise InvalidActionError(
            "action",
            f"{booting} rasps would boot at the same time, but orders.max_booting is {max_booting}:"
            f" choose fewer {plan.request.scope}, or increase it in rack.toml",
        )


def make_plan(request: OrderRequest, actions: Actions, rack: Rack) -> OrderPlan:
    """Resolve the action and the targets of a request.

    Raises:
        InvalidActionError: If the action is unknown or not allowed for these targets, or switches
            rasps that share an outlet.
        UnknownTargetError: If a rasp or a stack does not exist.
    """
    action = actions.resolve(request)
    ids = sorted(set(request.ids))
    if request.scope == "rasps":
        slots = tuple(rack.slot(number) for number in ids)
        stacks = tuple(rack.stack(number) for number in sorted({slot.stack for slot in slots}))
    else:
        stacks = rack.stacks if request.scope == "rack" else tuple(map(rack.stack, ids))
        slots = tuple(slot for stack in stacks for slot in stack.slots)
    groups: tuple[PowerGroup, ...] = ()
    if action.is_power and request.scope == "rasps":
        groups = tuple(group_of_rasp(rack, slot) for slot in slots)
    elif action.is_power:
        groups = tuple(map(PowerGroup, stacks))
    return OrderPlan(request, action, slots, stacks, groups)
