"""Preview of an order."""

from controller.orders.model import Preview
from controller.orders.plan import OrderPlan
from controller.state.model import RackState, RaspStatus


def preview(plan: OrderPlan, state: RackState) -> Preview:
    """Return the effects that an order would have in this state of the rack."""
    if not plan.action.is_disruptive:
        return Preview((), (), (), ())
    rasps = [state.rasps[slot.id - 1] for slot in plan.slots]
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
    return Preview(
        affected=tuple(rasp.slot.name for rasp in running),
        already_down=tuple(rasp.slot.name for rasp in down),
        stacks=tuple(stack.number for stack in plan.stacks) if plan.action.is_power else (),
        warnings=tuple(warnings),
    )
