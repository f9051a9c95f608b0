"""Switch a stack off: shut its rasps down, cut its power, and report what was observed.

A rasp that was shut down does not reply, with or without power. A power cut is therefore observed
only if a rasp replies until the cut. Otherwise the results say that the cut was commanded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.orders.boots import MISSED_PINGS
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.rasp_actions import shut_down
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Slot, Stack

NO_INSTALLED_RASP = "the stack has no installed rasp with which its power could be verified"

_VERIFY_OFF_SECONDS = 6.0  # a rasp that still replies after this time has power
_NOT_OBSERVED = "power cut commanded, not observed"

InstalledRasps = Sequence[tuple[Slot, Rasp]]
StepResults = Mapping[Slot | Stack, StepResult]


@dataclass(frozen=True, slots=True)
class PowerOffResult:
    """Result of switching a stack off.

    Args:
        is_switched_off: Whether the relay was switched off.
        results: Results of the stack and its rasps.
        shut_down: Rasps that were shut down before the cut.
    """

    is_switched_off: bool
    results: StepResults
    shut_down: frozenset[Slot] = frozenset()


@dataclass(frozen=True, slots=True)
class CutObservation:
    """What was observed of a rasp around the power cut.

    Args:
        shutdown: Result of its shutdown, or None if it was not shut down.
        replied_before: Whether the rasp replied immediately before the cut.
        replies_after: Whether the rasp still replies after the cut. None if unknown.
    """

    shutdown: StepResult | None
    replied_before: bool
    replies_after: bool | None

    @property
    def shows_cut(self) -> bool:
        """Whether the rasp stopped replying when the power was cut."""
        return self.replied_before and self.replies_after is False


async def power_off(context: OrderContext, tracker: OrderTracker, stack: Stack) -> PowerOffResult:
    """Shut down the rasps of a stack, unless the order is forced, and cut its power."""
    installed = context.installed_rasps(stack)
    was_on = context.relays.has_power(stack.number)
    shutdowns: dict[Slot, StepResult] = {}
    may_reply: InstalledRasps = installed if was_on else ()
    if was_on and not tracker.plan.request.force:
        shutdowns, may_reply = await _shut_down_all(context, tracker, stack, installed)
    if tracker.is_cancelled:
        return PowerOffResult(
            is_switched_off=False, results=_cancelled_results(stack, installed, shutdowns)
        )
    tracker.set_stage(stack, "cutting power")
    replied_before = await _replying(context, may_reply)
    await context.run_in_thread(context.relays.off, stack.number)
    tracker.set_stage(stack, "verifying that it is off")
    deadline = asyncio.get_running_loop().time() + _VERIFY_OFF_SECONDS
    replies_after = await asyncio.gather(
        *(
            _still_replies(context, rasp, deadline, replied_before=slot in replied_before)
            for slot, rasp in installed
        )
    )
    observations = {
        slot: CutObservation(shutdowns.get(slot), slot in replied_before, replies)
        for (slot, _), replies in zip(installed, replies_after, strict=True)
    }
    shut_down = [slot for slot, result in shutdowns.items() if result.result is Result.OK]
    return PowerOffResult(
        is_switched_off=True,
        results=results_after_cut(stack, observations, was_on=was_on),
        shut_down=frozenset(shut_down),
    )


def results_after_cut(
    stack: Stack, observations: Mapping[Slot, CutObservation], *, was_on: bool
) -> StepResults:
    """Return the results of a stack and its rasps.

    Args:
        stack: The stack that was switched off.
        observations: What was observed of each installed rasp.
        was_on: Whether the relay supplied power before the order.
    """
    lost_power = [slot.name for slot, each in observations.items() if each.shows_cut]
    after = [each.replies_after for each in observations.values()]
    if any(after):
        stack_result = failed(
            "rasps still reply after the cut: the relay is stuck, or they have another power supply"
        )
    elif not after:
        stack_result = unknown(NO_INSTALLED_RASP)
    elif None in after:
        stack_result = unknown(PROBE_UNAVAILABLE)
    elif not was_on:
        stack_result = ok("was already switched off, and no rasp replies")
    elif lost_power:
        stack_result = ok(f"power cut observed: {', '.join(lost_power)} stopped replying")
    else:
        stack_result = ok(f"{_NOT_OBSERVED}: its rasps were already down")
    cut = _NOT_OBSERVED if was_on else "was already switched off"
    if lost_power:
        cut = "its power was cut"
    return {stack: stack_result} | {
        slot: _rasp_result(each, cut) for slot, each in observations.items()
    }


def _rasp_result(observation: CutObservation, cut: str) -> StepResult:
    """Return the result of a rasp. `cut` describes the power cut of its stack."""
    if observation.replies_after:
        return failed("still replies after the cut")
    after_cut = ok(cut) if observation.replies_after is False else unknown(PROBE_UNAVAILABLE)
    shutdown = observation.shutdown
    if shutdown is None:
        return after_cut
    if shutdown.result is Result.OK and after_cut.result is Result.OK:
        return shutdown
    return shutdown.combined_with(after_cut)


async def _shut_down_all(
    context: OrderContext, tracker: OrderTracker, stack: Stack, installed: InstalledRasps
) -> tuple[dict[Slot, StepResult], InstalledRasps]:
    """Shut down the rasps of a stack, and wait for disk writes.

    Returns:
        The result of each shutdown, and the rasps that reply nevertheless.
    """
    tracker.set_stage(stack, "shutting down its rasps")
    results = await asyncio.gather(
        *(shut_down(context, tracker, slot, rasp) for slot, rasp in installed)
    )
    shutdowns = {slot: result for (slot, _), result in zip(installed, results, strict=True)}
    if tracker.is_cancelled:
        return shutdowns, ()
    tracker.set_stage(stack, "waiting for disk writes")
    replying, _ = await asyncio.gather(
        _replying(context, installed), asyncio.sleep(context.rack.orders.disk_settle_seconds)
    )
    for slot in replying:
        if shutdowns[slot].result is Result.OK:  # some pings were lost
            shutdowns[slot] = failed("did not shut down: it replied again")
    return shutdowns, [(slot, rasp) for slot, rasp in installed if slot in replying]


async def _replying(context: OrderContext, rasps: InstalledRasps) -> set[Slot]:
    """Ping rasps once. Return those that reply."""
    reachable = await asyncio.gather(*(context.is_reachable(rasp) for _, rasp in rasps))
    return {slot for (slot, _), replies in zip(rasps, reachable, strict=True) if replies}


async def _still_replies(
    context: OrderContext, rasp: Rasp, deadline: float, *, replied_before: bool
) -> bool | None:
    """Return whether a rasp still replies after the cut. None if unknown.

    A rasp that replied before the cut must miss several pings, because a ping may be lost.
    """
    loop = asyncio.get_running_loop()
    missed_pings = 0
    while missed_pings < (MISSED_PINGS if replied_before else 1):
        is_reachable = await context.is_reachable(rasp)
        if is_reachable is None:
            return None
        if is_reachable and loop.time() >= deadline:
            return True
        missed_pings = 0 if is_reachable else missed_pings + 1
        await asyncio.sleep(context.poll_seconds)
    return False


def _cancelled_results(
    stack: Stack, installed: InstalledRasps, shutdowns: Mapping[Slot, StepResult]
) -> StepResults:
    """Return the results for a stack that was not switched because the order was canceled."""
    results: dict[Slot | Stack, StepResult] = {stack: failed("cancelled before the power cut")}
    for slot, _ in installed:
        shutdown = shutdowns.get(slot)
        if shutdown is None:
            results[slot] = failed("cancelled")
        elif shutdown.result is Result.OK:
            results[slot] = shutdown.combined_with(ok("stays down until its stack is power-cycled"))
        else:
            results[slot] = shutdown.combined_with(failed("cancelled"))
    return results
