"""Switch a stack on, and wait until its rasps reply."""

import asyncio
from collections.abc import Sequence

from controller.orders.boots import wait_until_reachable
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.edge_observer import EdgeObserver
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.power_cut import NO_INSTALLED_RASP, InstalledRasps, StepResults
from controller.orders.rasp_actions import CANCELLED
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import Slot, Stack

WAITING = "waiting for other rasps to boot"
"""Stage of a stack that waits for the boot limit."""

_CHECK = "check the relay, wiring, power supply and network switch"
_NO_BOOT = (
    "no rasp replies: either the stack has no power or network, or its relay is stuck and never cut"
    f" the power, without which shut-down rasps do not boot. {_CHECK.capitalize()}"
)
_NO_REPLY_WHILE_ON = (
    "no rasp replies, although the stack was already switched on: rasps that were shut down need a"
    f" power cycle. If a power cycle does not help, {_CHECK}"
)


async def power_on(context: OrderContext, tracker: OrderTracker, stack: Stack) -> StepResults:
    """Switch a stack on when its rasps may boot, and wait until they reply."""
    installed = context.installed_rasps(stack)
    if context.relays.has_power(stack.number):
        await context.switch({stack.number: True}, cause=tracker.cause)
        return await _check_running(context, tracker, stack, installed)
    count = context.booting_rasps(stack)
    tracker.set_stage(stack, WAITING)
    await context.boot_limiter.acquire(count)
    if tracker.is_cancelled:
        await context.boot_limiter.release(count)
        return dict.fromkeys([stack, *(slot for slot, _ in installed)], CANCELLED)
    try:
        edges = await context.switch({stack.number: True}, cause=tracker.cause)
    except PiRackError:
        await context.boot_limiter.release(count)
        raise
    if installed:
        observer = EdgeObserver(context, edges)
        return await _wait_for_boot(context, tracker, stack, installed, observer)
    tracker.set_stage(stack, "booting")
    await asyncio.sleep(context.rack.orders.boot_seconds)
    await context.boot_limiter.release(count)
    return {stack: unknown(NO_INSTALLED_RASP)}


async def _wait_for_boot(
    context: OrderContext,
    tracker: OrderTracker,
    stack: Stack,
    installed: InstalledRasps,
    observer: EdgeObserver,
) -> StepResults:
    loop = asyncio.get_running_loop()
    started = loop.time()
    seconds = context.rack.orders.boot_seconds
    tracker.set_stage(stack, "booting")

    async def wait(slot: Slot, rasp: Rasp) -> StepResult:
        tracker.set_stage(slot, "booting")
        try:
            is_reachable = await wait_until_reachable(context, rasp, started + seconds)
        finally:
            await context.boot_limiter.release()
        if is_reachable:
            await observer.record_answer(slot.stack, context.relays.now())
            return ok(f"reachable after {loop.time() - started:.0f} s")
        tracker.set_stage(slot, "no reply")
        return no_reply(is_reachable, f"{seconds:g} s after power-on")

    rasp_results = await asyncio.gather(*(wait(slot, rasp) for slot, rasp in installed))
    return results_after_power_on(stack, installed, rasp_results)


async def _check_running(
    context: OrderContext, tracker: OrderTracker, stack: Stack, installed: InstalledRasps
) -> StepResults:
    """Return the results for a stack that was already on."""
    tracker.set_stage(stack, "checking")
    reachable = await asyncio.gather(*(context.is_reachable(rasp) for _, rasp in installed))
    rasp_results = [
        ok("reachable")
        if is_reachable
        else no_reply(is_reachable, "although its stack was already on")
        for is_reachable in reachable
    ]
    return results_after_power_on(stack, installed, rasp_results, no_boot=_NO_REPLY_WHILE_ON)


def no_reply(is_reachable: bool | None, detail: str) -> StepResult:
    """Return the result of a rasp that does not reply. None means that this is unknown."""
    return unknown(PROBE_UNAVAILABLE) if is_reachable is None else failed(f"no reply {detail}")


def results_after_power_on(
    stack: Stack,
    installed: InstalledRasps,
    rasp_results: Sequence[StepResult],
    *,
    no_boot: str = _NO_BOOT,
) -> StepResults:
    """Derive the result of a stack from the results of its rasps. Return all results.

    Args:
        stack: The stack that was switched on.
        installed: Its rasps.
        rasp_results: Results of these rasps.
        no_boot: Detail of the stack's result if no rasp replies.
    """
    kinds = {result.result for result in rasp_results}
    if not rasp_results:
        stack_result = unknown(NO_INSTALLED_RASP)
    elif Result.OK in kinds:
        stack_result = ok("is on")
    elif Result.UNKNOWN in kinds:
        stack_result = unknown(PROBE_UNAVAILABLE)
    else:
        stack_result = failed(no_boot)
    slots = [slot for slot, _ in installed]
    return {stack: stack_result} | dict(zip(slots, rasp_results, strict=True))
