"""Switch the power of stacks: on, off and cycle."""

import asyncio

from controller.orders.actions import POWER_CYCLE, POWER_ON
from controller.orders.context import OrderContext
from controller.orders.model import Result, failed, ok
from controller.orders.power_off import PowerOffResult, StepResults, power_off
from controller.orders.power_on import power_on
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError
from rack.layout import Stack


async def switch_stacks(context: OrderContext, tracker: OrderTracker) -> None:
    """Run the power action of an order on its stacks concurrently."""

    async def switch(stack: Stack) -> None:
        try:
            results = await _switch_stack(context, tracker, stack)
        except PiRackError as error:
            slots = [slot for slot, _ in context.installed_rasps(stack)]
            results = dict.fromkeys([stack, *slots], failed(str(error)))
        for target, result in results.items():
            tracker.set_result(target, result)

    await asyncio.gather(*map(switch, tracker.plan.stacks))


async def _switch_stack(context: OrderContext, tracker: OrderTracker, stack: Stack) -> StepResults:
    action = tracker.plan.action.name
    if action == POWER_ON:
        return await power_on(context, tracker, stack)
    off = await power_off(context, tracker, stack)
    if action != POWER_CYCLE or not off.is_switched_off:
        return off.results
    tracker.set_stage(stack, "off")
    await asyncio.sleep(context.rack.orders.off_seconds)
    on = await power_on(context, tracker, stack, is_power_cycle=True)
    return results_of_cycle(stack, off, on)


def results_of_cycle(stack: Stack, off: PowerOffResult, on: StepResults) -> StepResults:
    """Return the results of a power cycle from those of its two steps.

    A rasp that was shut down boots only after a power cut, so its boot confirms the cut.
    """
    results = {target: off.results[target].combined_with(result) for target, result in on.items()}
    booted = [slot.name for slot in off.shut_down if on[slot].result is Result.OK]
    if booted and results[stack].result is Result.OK:
        names = ", ".join(sorted(booted))
        results[stack] = ok(f"power cut confirmed: {names} booted after the shutdown; is on")
    return results
