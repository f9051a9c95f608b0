"""Switch a group on, and wait until its rasps reply."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.orders.boots import wait_until_reachable
from controller.orders.context import OrderContext
from controller.orders.edge_observer import EdgeObserver
from controller.orders.model import StepResult, failed, ok
from controller.orders.power_group import PowerGroup
from controller.orders.power_results import (
    OutletProblems,
    StepResults,
    no_reply,
    results_after_power_on,
)
from controller.orders.rasp_actions import CANCELLED
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Outlet, Slot

WAITING = "waiting for other rasps to boot"
NO_REPLY = "no reply"
"""Stage of a group that waits for the boot limit."""


@dataclass(frozen=True, slots=True)
class _SwitchedOn:
    """Outlets that were switched on.

    Args:
        rasps: Results of their rasps.
        problems: Problem of each outlet that was not switched.
    """

    rasps: Mapping[Slot, StepResult]
    problems: OutletProblems


async def power_on(context: OrderContext, tracker: OrderTracker, group: PowerGroup) -> StepResults:
    """Switch a group on when its rasps may boot, and wait until they reply.

    The outlets that supply power already are commanded again, which affects no rasp.
    """
    on = [each for each in group.outlets if context.outlets.has_power(each)]
    off = [each for each in group.outlets if each not in on]
    parts = [
        _boot(context, tracker, group, batch)
        for batch in group.batches(off, context.rack.orders.max_booting)
    ]
    if on:
        parts.append(_check_running(context, tracker, group, on))
    switched = await asyncio.gather(*parts)
    rasps = {slot: result for each in switched for slot, result in each.rasps.items()}
    problems = {outlet: problem for each in switched for outlet, problem in each.problems.items()}
    ordered = {slot: rasps[slot] for slot in group.slots if slot in rasps}
    return results_after_power_on(group, ordered, was_on=not off, problems=problems)


async def _boot(
    context: OrderContext, tracker: OrderTracker, group: PowerGroup, outlets: Sequence[Outlet]
) -> _SwitchedOn:
    """Switch outlets on as one when their rasps may boot, and wait until they reply."""
    count = context.booting_rasps(group, outlets)
    tracker.set_stage(group.target, WAITING)
    await context.boot_limiter.acquire(count)
    if tracker.is_cancelled:
        await context.boot_limiter.release(count)
        problems = dict.fromkeys(outlets, CANCELLED.detail)
        return _SwitchedOn(_failed(context, group, problems), problems)
    switched = await context.switch(outlets, is_on=True, cause=tracker.cause)
    await context.boot_limiter.release(context.booting_rasps(group, switched.problems))
    booting = [outlet for outlet in outlets if outlet not in switched.problems]
    installed = context.installed_rasps(group.slots_of(booting))
    observer = EdgeObserver(context, switched.edges)
    tracker.set_stage(group.target, "booting")
    results, _ = await asyncio.gather(
        asyncio.gather(
            *(_wait_for_boot(context, tracker, slot, rasp, observer) for slot, rasp in installed)
        ),
        _wait_for_empty_slots(context, context.booting_rasps(group, booting) - len(installed)),
    )
    rasps = {slot: result for (slot, _), result in zip(installed, results, strict=True)}
    failures = _failed(context, group, switched.problems)
    return _SwitchedOn(rasps | failures, switched.problems)


async def _wait_for_boot(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp, observer: EdgeObserver
) -> StepResult:
    loop = asyncio.get_running_loop()
    started = loop.time()
    seconds = context.rack.orders.boot_seconds
    tracker.set_stage(slot, "booting")
    try:
        is_reachable = await wait_until_reachable(context, rasp, started + seconds)
    finally:
        await context.boot_limiter.release()
    if is_reachable:
        await observer.record_answer(slot, context.outlets.now())
        return ok(f"reachable after {loop.time() - started:.0f} s")
    tracker.set_stage(slot, NO_REPLY)
    return no_reply(is_reachable, f"{seconds:g} s after power-on")


async def _wait_for_empty_slots(context: OrderContext, count: int) -> None:
    """Wait as long as rasps boot that may be in slots without an installed rasp."""
    if count:
        await asyncio.sleep(context.rack.orders.boot_seconds)
        await context.boot_limiter.release(count)


async def _check_running(
    context: OrderContext, tracker: OrderTracker, group: PowerGroup, outlets: Sequence[Outlet]
) -> _SwitchedOn:
    """Command outlets that supply power already, and check whether their rasps reply."""
    switched = await context.switch(outlets, is_on=True, cause=tracker.cause)
    tracker.set_stage(group.target, "checking")
    installed = context.installed_rasps(group.slots_of(outlets))
    reachable = await asyncio.gather(*(context.is_reachable(rasp) for _, rasp in installed))
    shared = "it" if group.slot or group.stack.has_outlet_per_slot else "its stack"
    rasps = {
        slot: ok("reachable")
        if is_reachable
        else no_reply(is_reachable, f"although {shared} was already on")
        for (slot, _), is_reachable in zip(installed, reachable, strict=True)
    }
    return _SwitchedOn(rasps, switched.problems)


def _failed(
    context: OrderContext, group: PowerGroup, problems: OutletProblems
) -> dict[Slot, StepResult]:
    """Return the results of the rasps whose outlets have these problems."""
    return {
        slot: failed(problems[group.outlet_of(slot)])
        for slot, _ in context.installed_rasps(group.slots_of(problems))
    }
