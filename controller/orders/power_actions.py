"""Switch the power of stacks: on, off and cycle."""

import asyncio
from collections.abc import Sequence

from controller.orders.actions import POWER_CYCLE, POWER_ON
from controller.orders.context import OrderContext
from controller.orders.model import failed
from controller.orders.power_cycle import power_cycle
from controller.orders.power_off import power_off
from controller.orders.power_on import power_on
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError
from rack.layout import Stack


async def switch_stacks(context: OrderContext, tracker: OrderTracker) -> None:
    """Run the power action of an order.

    All stacks of a forced order are switched off as one. Otherwise, each stack is switched as soon
    as its rasps are down, or may boot.
    """
    stacks = tracker.plan.stacks
    groups = [stacks] if tracker.plan.request.force else [(stack,) for stack in stacks]

    async def switch(group: Sequence[Stack]) -> None:
        try:
            await _switch_group(context, tracker, group)
        except PiRackError as error:
            for stack in group:
                slots = [slot for slot, _ in context.installed_rasps(stack)]
                tracker.set_results(dict.fromkeys([stack, *slots], failed(str(error))))

    await asyncio.gather(*map(switch, groups))


async def _switch_group(
    context: OrderContext, tracker: OrderTracker, stacks: Sequence[Stack]
) -> None:
    action = tracker.plan.action.name
    if action == POWER_CYCLE:
        await power_cycle(context, tracker, stacks)
    elif action == POWER_ON:
        for stack in stacks:
            tracker.set_results(await power_on(context, tracker, stack))
    else:
        await power_off(context, tracker, stacks)
