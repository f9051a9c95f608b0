"""Switch the power of stacks: on, off and cycle."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.orders.actions import POWER_CYCLE, POWER_ON
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.rasp_actions import CANCELLED, shut_down, wait_until_reachable
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import Slot, Stack

_VERIFY_OFF_SECONDS = 6.0  # a rasp that still replies after this time has power

_NO_INSTALLED_RASP = "the stack has no installed rasp with which its power could be verified"

_InstalledRasps = Sequence[tuple[Slot, Rasp]]
_StepResults = Mapping[Slot | Stack, StepResult]


@dataclass(frozen=True, slots=True)
class _PowerOffResult:
    """Whether the relay was switched off, and the results of the stack and its rasps."""

    is_switched_off: bool
    results: _StepResults


async def switch_stacks(context: OrderContext, tracker: OrderTracker) -> None:
    """Run the power action of an order on its stacks concurrently."""

    async def switch(stack: Stack) -> None:
        try:
            results = await _switch_stack(context, tracker, stack)
        except PiRackError as error:
            results = dict.fromkeys(
                _targets(stack, context.installed_rasps(stack)), failed(str(error))
            )
        for target, result in results.items():
            tracker.set_result(target, result)

    await asyncio.gather(*map(switch, tracker.plan.stacks))


async def _switch_stack(context: OrderContext, tracker: OrderTracker, stack: Stack) -> _StepResults:
    action = tracker.plan.action.name
    if action == POWER_ON:
        return await _power_on(context, tracker, stack)
    off = await _power_off(context, tracker, stack)
    if action != POWER_CYCLE or not off.is_switched_off:
        return off.results
    tracker.set_stage(stack, "off")
    await asyncio.sleep(context.rack.orders.off_seconds)
    on = await _power_on(context, tracker, stack, is_power_cycle=True)
    return {target: off.results[target].combined_with(result) for target, result in on.items()}


async def _power_on(
    context: OrderContext, tracker: OrderTracker, stack: Stack, *, is_power_cycle: bool = False
) -> _StepResults:
    """Switch a stack on when its rasps may boot, and wait until they reply.

    A power cycle switches the stack on even if the order is canceled.
    """
    installed = context.installed_rasps(stack)
    if context.relays.has_power(stack.number):
        await context.run_in_thread(context.relays.on, stack.number)
        return await _check_running(context, tracker, stack, installed)
    count = len(installed) or len(stack.slots)
    tracker.set_stage(stack, "waiting for other rasps to boot")
    await context.boot_limiter.acquire(count)
    if tracker.is_cancelled and not is_power_cycle:
        await context.boot_limiter.release(count)
        return dict.fromkeys(_targets(stack, installed), CANCELLED)
    try:
        await context.run_in_thread(context.relays.on, stack.number)
    except PiRackError:
        await context.boot_limiter.release(count)
        raise
    if installed:
        return await _wait_for_boot(context, tracker, stack, installed)
    tracker.set_stage(stack, "booting")
    await asyncio.sleep(context.rack.orders.boot_seconds)
    await context.boot_limiter.release(count)
    return {stack: unknown(_NO_INSTALLED_RASP)}


async def _wait_for_boot(
    context: OrderContext, tracker: OrderTracker, stack: Stack, installed: _InstalledRasps
) -> _StepResults:
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
            return ok(f"reachable after {loop.time() - started:.0f} s")
        tracker.set_stage(slot, "no reply")
        return _no_reply(is_reachable, f"{seconds:g} s after power-on")

    return _power_on_results(
        stack, installed, await asyncio.gather(*(wait(slot, rasp) for slot, rasp in installed))
    )


async def _check_running(
    context: OrderContext, tracker: OrderTracker, stack: Stack, installed: _InstalledRasps
) -> _StepResults:
    """Return the results for a stack that was already on."""
    tracker.set_stage(stack, "checking")
    reachable = await asyncio.gather(*(context.is_reachable(rasp) for _, rasp in installed))
    return _power_on_results(
        stack,
        installed,
        [
            ok("reachable")
            if is_reachable
            else _no_reply(is_reachable, "although its stack was already on")
            for is_reachable in reachable
        ],
    )


def _no_reply(is_reachable: bool | None, detail: str) -> StepResult:
    return unknown(PROBE_UNAVAILABLE) if is_reachable is None else failed(f"no reply {detail}")


def _power_on_results(
    stack: Stack, installed: _InstalledRasps, rasp_results: Sequence[StepResult]
) -> _StepResults:
    """Derive the result of a stack from the results of its rasps. Return all results."""
    kinds = {result.result for result in rasp_results}
    if not rasp_results:
        stack_result = unknown(_NO_INSTALLED_RASP)
    elif Result.OK in kinds:
        stack_result = ok("is on")
    elif Result.UNKNOWN in kinds:
        stack_result = unknown(PROBE_UNAVAILABLE)
    else:
        stack_result = failed("no rasp replies: check the relay, power supply and switch")
    return dict(zip(_targets(stack, installed), [stack_result, *rasp_results], strict=True))


async def _power_off(context: OrderContext, tracker: OrderTracker, stack: Stack) -> _PowerOffResult:
    """Shut down the rasps of a stack, unless the order is forced.

    Then cut the stack's power and verify that its rasps no longer reply.
    """
    installed = context.installed_rasps(stack)
    if not context.relays.has_power(stack.number):
        results = {slot: ok("was already off") for slot, _ in installed}
    elif tracker.plan.request.force:
        results = {slot: ok("its power was cut") for slot, _ in installed}
    else:
        tracker.set_stage(stack, "shutting down its rasps")
        shutdowns = await asyncio.gather(
            *(shut_down(context, tracker, slot, rasp) for slot, rasp in installed)
        )
        results = {slot: result for (slot, _), result in zip(installed, shutdowns, strict=True)}
        if not tracker.is_cancelled:
            tracker.set_stage(stack, "waiting for disk writes")
            await asyncio.sleep(context.rack.orders.disk_settle_seconds)
    if tracker.is_cancelled:
        return _PowerOffResult(is_switched_off=False, results=_cancelled_results(stack, results))
    tracker.set_stage(stack, "cutting power")
    await context.run_in_thread(context.relays.off, stack.number)
    return _PowerOffResult(
        is_switched_off=True,
        results=await _verify_off(context, tracker, stack, installed, results),
    )


def _cancelled_results(stack: Stack, results: Mapping[Slot, StepResult]) -> _StepResults:
    """Return the results for a stack that stays on because the order was canceled."""
    halted = ok("stays down until its stack is power-cycled")
    combined: dict[Slot | Stack, StepResult] = {stack: failed("cancelled, power stays on")}
    for slot, result in results.items():
        is_down = result.result is Result.OK
        combined[slot] = result.combined_with(halted if is_down else failed("cancelled"))
    return combined


async def _verify_off(
    context: OrderContext,
    tracker: OrderTracker,
    stack: Stack,
    installed: _InstalledRasps,
    previous: Mapping[Slot, StepResult],
) -> _StepResults:
    """Verify that no rasp of a stack replies after the cut."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _VERIFY_OFF_SECONDS
    tracker.set_stage(stack, "verifying that it is off")

    async def still_replies(rasp: Rasp) -> bool | None:
        while (is_reachable := await context.is_reachable(rasp)) and loop.time() < deadline:
            await asyncio.sleep(context.poll_seconds)
        return is_reachable

    reachable = await asyncio.gather(*(still_replies(rasp) for _, rasp in installed))
    results: dict[Slot | Stack, StepResult] = {stack: ok("is off")}
    if None in reachable or not reachable:
        results[stack] = unknown(PROBE_UNAVAILABLE if reachable else _NO_INSTALLED_RASP)
    if any(reachable):
        results[stack] = failed(
            "rasps still reply after the cut: the relay is stuck, or they have another power supply"
        )
    for (slot, _), is_reachable in zip(installed, reachable, strict=True):
        if is_reachable:
            results[slot] = failed("still replies after the cut")
        elif is_reachable is None:
            results[slot] = previous[slot].combined_with(unknown(PROBE_UNAVAILABLE))
        elif previous[slot].result is Result.OK:
            results[slot] = previous[slot]
        else:
            results[slot] = previous[slot].combined_with(ok("its power was cut anyway"))
    return results


def _targets(stack: Stack, installed: _InstalledRasps) -> list[Slot | Stack]:
    return [stack, *(slot for slot, _ in installed)]
