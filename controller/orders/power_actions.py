"""Switch the power of stacks and rasps: on, off and cycle."""

import asyncio
from collections.abc import Sequence

from controller.orders.actions import POWER_CYCLE, POWER_ON
from controller.orders.context import OrderContext
from controller.orders.model import failed
from controller.orders.power_cycle import power_cycle
from controller.orders.power_group import PowerGroup
from controller.orders.power_off import power_off
from controller.orders.power_on import power_on
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError


async def switch_power(context: OrderContext, tracker: OrderTracker) -> None:
    """Run the power action of an order.

    All groups of a forced order are switched off as one. Otherwise, each group is switched as soon
    as its rasps are down, or may boot.
    """
    groups = tracker.plan.groups
    parts = [groups] if tracker.plan.request.force else [(group,) for group in groups]

    async def switch(part: Sequence[PowerGroup]) -> None:
        try:
            await _switch_part(context, tracker, part)
        except PiRackError as error:
            for group in part:
                slots = [slot for slot, _ in context.installed_rasps(group.slots)]
                tracker.set_results(dict.fromkeys([group.target, *slots], failed(str(error))))

    await asyncio.gather(*map(switch, parts))


async def _switch_part(
    context: OrderContext, tracker: OrderTracker, groups: Sequence[PowerGroup]
) -> None:
    action = tracker.plan.action.name
    if action == POWER_CYCLE:
        await power_cycle(context, tracker, groups)
    elif action == POWER_ON:
        for group in groups:
            tracker.set_results(await power_on(context, tracker, group))
    else:
        await power_off(context, tracker, groups)
