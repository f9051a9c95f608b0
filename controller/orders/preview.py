"""What an order would take down, said before it is given. Decides only."""

from collections.abc import Sequence

from controller.orders.actions import Action
from controller.orders.model import OrderRequest, Preview
from controller.state.model import RackState, RaspStatus
from rack.layout import Slot


def preview(
    state: RackState, action: Action, slots: Sequence[Slot], request: OrderRequest
) -> Preview:
    """Return what an action on these slots, or on their stacks, would do as the rack is now."""
    rasps = [state.rasps[slot.id - 1] for slot in slots]
    stacks = sorted({slot.stack for slot in slots}) if action.is_power else []
    if not action.is_disruptive:
        return Preview((), (), (), ())
    down = [rasp for rasp in rasps if rasp.state in {RaspStatus.DOWN, RaspStatus.OFF}]
    running = [rasp for rasp in rasps if rasp not in down and rasp.rasp is not None]
    doubtful = [rasp.slot.name for rasp in running if rasp.state is RaspStatus.UNKNOWN]
    alive = [rasp.slot.name for rasp in down if rasp.answers_ping]
    warnings = []
    if request.force and running:
        warnings.append("power is cut under running systems: their SD cards may be damaged")
    if doubtful:
        warnings.append(f"nobody can tell whether these run: {', '.join(doubtful)}")
    if alive and action.is_power:
        warnings.append(
            "these answer ping and nothing else: they may not shut down, and lose power all the"
            f" same: {', '.join(alive)}"
        )
    return Preview(
        affected=tuple(rasp.slot.name for rasp in running),
        already_down=tuple(rasp.slot.name for rasp in down),
        stacks=tuple(stacks),
        warnings=tuple(warnings),
    )
