"""What a running order is doing with rasps."""

from collections.abc import Mapping

from controller.orders.model import Order
from controller.orders.power_on import NO_REPLY, WAITING
from controller.state.model import RaspOperation
from rack.layout import Rack

# Stages of rasps and of stacks. The other stages take no rasp down.
_OPERATION_BY_STAGE: Mapping[str, RaspOperation] = {
    "shutting down": RaspOperation.SHUTTING_DOWN,
    "shutting down its rasps": RaspOperation.SHUTTING_DOWN,
    "waiting for disk writes": RaspOperation.SHUTTING_DOWN,
    "cutting power": RaspOperation.CUTTING_POWER,
    "verifying that it is off": RaspOperation.CUTTING_POWER,
    "off": RaspOperation.POWER_CYCLE,
    WAITING: RaspOperation.WAITING,
    "booting": RaspOperation.BOOTING,
}


def operations_of(order: Order, rack: Rack) -> Mapping[int, RaspOperation]:
    """Return the operations of a running order, keyed by the ids of the rasps.

    The stage of a stack is newer than those of its rasps, except for a rasp that did not reply in
    time.
    """
    stages: dict[int, str] = {}
    rasps = [result for result in order.results if result.kind == "rasp"]
    without_reply = {rasp.id for rasp in rasps if rasp.stage == NO_REPLY}
    for result in order.results:
        if result.kind == "stack" and result.result is None:
            stages |= {slot.id: result.stage for slot in rack.stack(result.id).slots}
    for result in rasps:
        if result.result is None:
            stages.setdefault(result.id, result.stage)
    return {
        rasp: _OPERATION_BY_STAGE[stage]
        for rasp, stage in stages.items()
        if stage in _OPERATION_BY_STAGE and rasp not in without_reply
    }
