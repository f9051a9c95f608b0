"""Switch stacks off and on again, and report what was observed.

The stacks of a forced order lose power as one. If all their rasps may boot at the same time, they
also get power as one, and the order waits for other boots before the cut, not after it. The time
without power is thus the planned one. Otherwise each stack waits for other boots while it is off.

pirack.db contains the time of the return of power before a relay moves. If the order does not
switch a stack on, `controller.power_return` does.
"""

import asyncio
from collections.abc import Collection, Sequence

from controller.orders.context import OrderContext
from controller.orders.cycled_rasp import CycledRasp, ReturnOfPower, watch
from controller.orders.edge_observer import EdgeObserver
from controller.orders.model import PowerTiming, Result, StepResult, ok
from controller.orders.power_cut import (
    SAVE_SECONDS,
    CutObservation,
    CutResult,
    StackToCut,
    StepResults,
    cancelled_results,
    cut_power,
    prepare_cut,
    results_after_cut,
    results_of_problem,
)
from controller.orders.power_on import WAITING, no_reply, results_after_power_on
from controller.orders.tracker import OrderTracker
from rack.errors import PiRackError
from rack.inventory import Rasp
from rack.layout import Slot, Stack
from rack.power_edges import Edge, SwitchError

_PREPARE_SECONDS = 3.0  # before a planned cut, for pings and other boots


async def power_cycle(
    context: OrderContext, tracker: OrderTracker, stacks: Sequence[Stack]
) -> None:
    """Shut down the rasps of stacks, unless the order is forced, cut their power, and restore it.

    An order that is canceled after the cut restores the power at once.
    """
    timing = tracker.timing or PowerTiming(context.rack.orders.off_seconds)
    is_forced = tracker.plan.request.force
    if timing.at is not None:
        await _sleep_until(context, tracker, timing.at - (_PREPARE_SECONDS if is_forced else 0))
    prepared = await asyncio.gather(*(prepare_cut(context, tracker, stack) for stack in stacks))
    booting = sum(map(context.booting_rasps, stacks))
    is_one = len(stacks) == 1 or booting <= context.rack.orders.max_booting
    acquired = booting if is_one and not tracker.is_cancelled else 0
    if acquired:
        for stack in stacks:
            tracker.set_stage(stack, WAITING)
        await context.boot_limiter.acquire(acquired)
    if tracker.is_cancelled:
        await context.boot_limiter.release(acquired)
        for each in prepared:
            tracker.set_results(cancelled_results(each))
        return
    try:
        cut = await cut_power(
            context,
            tracker,
            prepared,
            at=timing.at if is_forced else None,
            off_seconds=timing.off_seconds,
        )
    except PiRackError:
        await context.boot_limiter.release(acquired)
        raise
    cycle = _Cycle(context, tracker, cut, timing.off_seconds)
    is_off = [each for each in prepared if each.stack.number not in cut.problems]
    for each in prepared:
        if problem := cut.problems.get(each.stack.number):
            tracker.set_results(results_of_problem(each, problem))
            await context.boot_limiter.release(context.booting_rasps(each.stack) if is_one else 0)
    groups = [is_off] if is_one else [[each] for each in is_off]
    await asyncio.gather(*(cycle.restore(group, may_boot=is_one) for group in groups))


class _Cycle:
    """A power cycle from its cut on.

    Args:
        context: Access to the rasps and relays.
        tracker: Progress of the order.
        cut: The power cut.
        off_seconds: Seconds from the cut until the power returns.
    """

    def __init__(
        self, context: OrderContext, tracker: OrderTracker, cut: CutResult, off_seconds: float
    ) -> None:
        self._context = context
        self._tracker = tracker
        self._cut = cut
        self._cut_observer = EdgeObserver(context, cut.edges)
        self._on_again_at = cut.at + off_seconds

    async def restore(self, stacks: Sequence[StackToCut], *, may_boot: bool) -> None:
        """Switch stacks on as one, and set their results.

        Args:
            stacks: The stacks.
            may_boot: Whether the boot limit already includes their rasps.
        """
        power = ReturnOfPower()
        for each in stacks:
            self._tracker.set_stage(each.stack, "off")
        await asyncio.gather(
            self._switch_on(stacks, power, may_boot=may_boot),
            *(self._set_results(each, power) for each in stacks),
        )

    async def _switch_on(
        self, stacks: Sequence[StackToCut], power: ReturnOfPower, *, may_boot: bool
    ) -> None:
        context, numbers = self._context, [each.stack.number for each in stacks]
        await _sleep_until(context, self._tracker, self._on_again_at - SAVE_SECONDS)
        if not may_boot:
            for each in stacks:
                self._tracker.set_stage(each.stack, WAITING)
            await context.boot_limiter.acquire(
                sum(context.booting_rasps(each.stack) for each in stacks)
            )
        edges: Sequence[Edge] = ()
        at = None if self._tracker.is_cancelled else self._on_again_at
        try:
            edges = await context.switch(
                dict.fromkeys(numbers, True), at=at, cause=self._tracker.cause
            )
        except SwitchError as error:
            edges, power.problems = error.edges, error.problems
        except PiRackError as error:
            power.problems = dict.fromkeys(numbers, str(error))
        finally:
            for each in stacks:
                self._tracker.set_stage(each.stack, "booting")
                for slot, _ in each.installed:
                    self._tracker.set_stage(slot, "booting")
            power.observer = EdgeObserver(context, edges)
            power.at = asyncio.get_running_loop().time()
            power.is_over.set()

    async def _set_results(self, each: StackToCut, power: ReturnOfPower) -> None:
        stack = each.stack
        if not each.installed:
            await self._wait_for_empty_stack(stack, power)
        rasps = await asyncio.gather(
            *(self._watch(slot, rasp, power) for slot, rasp in each.installed)
        )
        observations = {
            slot: CutObservation(
                each.shutdowns.get(slot),
                slot in self._cut.replied_before,
                rasp.replies_after_cut,
                reason=rasp.reason,
            )
            for (slot, _), rasp in zip(each.installed, rasps, strict=True)
        }
        off = results_after_cut(stack, observations, was_on=each.was_on)
        if problem := power.problems.get(stack.number):
            on = results_of_problem(each, problem)
        else:
            boots = [self._boot_result(rasp) for rasp in rasps]
            on = results_after_power_on(stack, each.installed, boots)
        self._tracker.set_results(results_of_cycle(stack, off, each.shut_down, on))

    async def _watch(self, slot: Slot, rasp: Rasp, power: ReturnOfPower) -> CycledRasp:
        try:
            cycled = await watch(
                self._context,
                slot,
                rasp,
                cut=self._cut,
                cut_observer=self._cut_observer,
                power=power,
            )
        finally:
            await self._context.boot_limiter.release()
        if not cycled.is_reachable:
            self._tracker.set_stage(slot, "no reply")
        return cycled

    async def _wait_for_empty_stack(self, stack: Stack, power: ReturnOfPower) -> None:
        await power.is_over.wait()
        if not power.problems:
            await asyncio.sleep(self._context.rack.orders.boot_seconds)
        await self._context.boot_limiter.release(len(stack.slots))

    def _boot_result(self, rasp: CycledRasp) -> StepResult:
        if rasp.is_reachable:
            return ok(f"reachable after {rasp.seconds:.0f} s")
        seconds = self._context.rack.orders.boot_seconds
        return no_reply(rasp.is_reachable, f"{seconds:g} s after power-on")


def results_of_cycle(
    stack: Stack, off: StepResults, shut_down: Collection[Slot], on: StepResults
) -> StepResults:
    """Return the results of a power cycle from those of its two steps.

    A rasp that was shut down boots only after a power cut, so its boot confirms the cut.

    Args:
        stack: The stack.
        off: Results of the cut.
        shut_down: Rasps that were shut down before the cut.
        on: Results of the return of power.
    """
    results = {target: off[target].combined_with(result) for target, result in on.items()}
    booted = [slot.name for slot in shut_down if on[slot].result is Result.OK]
    if booted and results[stack].result is Result.OK:
        names = ", ".join(sorted(booted))
        results[stack] = ok(f"power cut confirmed: {names} booted after the shutdown; is on")
    return results


async def _sleep_until(context: OrderContext, tracker: OrderTracker, time: float) -> None:
    """Sleep until a time in seconds since the boot, or until the order is canceled."""
    while not tracker.is_cancelled and (remaining := time - context.relays.now().monotonic) > 0:
        await asyncio.sleep(min(remaining, context.poll_seconds))
