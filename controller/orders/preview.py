"""Preview of an order."""

from collections.abc import Mapping

from controller.orders.model import Preview
from controller.orders.plan import OrderPlan
from controller.state.model import RackState, RaspStatus
from rack.layout import Outlet

_MAX_PROBLEMS = 3


def preview(plan: OrderPlan, state: RackState, outlet_problems: Mapping[Outlet, str]) -> Preview:
    """Return the effects that an order would have in this state of the rack.

    Args:
        plan: The order.
        state: State of the rack.
        outlet_problems: Why outlets cannot be switched, as far as is known.
    """
    if not plan.action.is_disruptive:
        return Preview()
    rasps = [state.rasps[slot.id - 1] for slot in plan.slots]
    outlets = [outlet for group in plan.groups for outlet in group.outlets]
    down = [rasp for rasp in rasps if rasp.state in {RaspStatus.DOWN, RaspStatus.OFF}]
    running = [rasp for rasp in rasps if rasp not in down and rasp.rasp is not None]
    unknown = [rasp.slot.name for rasp in running if rasp.state is RaspStatus.UNKNOWN]
    ping_only = [rasp.slot.name for rasp in down if rasp.answers_ping]
    warnings = []
    if plan.request.force and running:
        warnings.append("power is cut under running systems: their SD cards may be damaged")
    if unknown:
        warnings.append(f"the state of these rasps is unknown: {', '.join(unknown)}")
    if ping_only and plan.action.is_power:
        warnings.append(
            "these rasps reply to ping only and may not shut down before power is cut:"
            f" {', '.join(ping_only)}"
        )
    problems = [outlet_problems[outlet] for outlet in outlets if outlet in outlet_problems]
    warnings += problems[:_MAX_PROBLEMS]
    if problems[_MAX_PROBLEMS:]:
        warnings.append(f"{len(problems) - _MAX_PROBLEMS} more outlets cannot be switched")
    return Preview(
        affected=tuple(rasp.slot.name for rasp in running),
        already_down=tuple(rasp.slot.name for rasp in down),
        stacks=tuple(group.stack.number for group in plan.groups if group.slot is None),
        outlets=tuple(outlet.label for outlet in outlets),
        warnings=tuple(warnings),
    )
