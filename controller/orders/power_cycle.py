"""Switch groups off and on again, and report what was observed.

The groups of a forced order lose power as one. If all their rasps may boot at the same time, they
also get power as one, and the order waits for other boots before the cut, not after it. The time
without power is thus the planned one. Otherwise each group waits for other boots while it is off.

pirack.db contains the time of the return of power before an outlet is switched. If the order does
not switch an outlet on, `controller.power_return` does.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.orders.context import OrderContext
from controller.orders.cycled_rasp import CycledRasp, ReturnOfPower, watch
from controller.orders.edge_observer import EdgeObserver
from controller.orders.model import PowerTiming, StepResult, ok
from controller.orders.power_cut import (
    SAVE_SECONDS,
    CutResult,
    GroupToCut,
    cut_power,
    prepare_cut,
)
from controller.orders.power_group import PowerGroup
from controller.orders.power_on import NO_REPLY, WAITING
from controller.orders.power_results import (
    CutObservation,
    cancelled_results,
    no_reply,
    results_after_cut,
    results_after_power_on,
    results_of_cycle,
)
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Outlet, Slot

_PREPARE_SECONDS = 3.0  # before a planned cut, for pings and other boots


async def power_cycle(
    context: OrderContext, tracker: OrderTracker, groups: Sequence[PowerGroup]
) -> None:
    """Shut down the rasps of groups, unless the order is forced, cut their power, and restore it.

    An order that is canceled after the cut restores the power at once.
    """
    timing = tracker.timing or PowerTiming(context.rack.orders.off_seconds)
    is_forced = tracker.plan.request.force
    if timing.at is not None:
        await _sleep_until(context, tracker, timing.at - (_PREPARE_SECONDS if is_forced else 0))
    prepared = await asyncio.gather(*(prepare_cut(context, tracker, group) for group in groups))
    booting = sum(context.booting_rasps(each.group, each.outlets) for each in prepared)
    outlets = [outlet for each in prepared for outlet in each.outlets]
    is_one = len(outlets) <= 1 or booting <= context.rack.orders.max_booting
    acquired = booting if is_one and not tracker.is_cancelled else 0
    if acquired:
        for group in groups:
            tracker.set_stage(group.target, WAITING)
        await context.boot_limiter.acquire(acquired)
    if tracker.is_cancelled:
        await context.boot_limiter.release(acquired)
        for each in prepared:
            tracker.set_results(cancelled_results(each))
        return
    cut = await cut_power(
        context,
        tracker,
        prepared,
        at=timing.at if is_forced else None,
        off_seconds=timing.off_seconds,
    )
    cycle = _Cycle(context, tracker, cut, timing.off_seconds)
    if is_one:
        for each in prepared:
            not_cut = [outlet for outlet in each.outlets if outlet in cut.problems]
            await context.boot_limiter.release(context.booting_rasps(each.group, not_cut))
    await cycle.restore(prepared, is_one=is_one)


@dataclass
class _Batch:
    """Outlets that get power as one.

    Attributes:
        parts: Each group with those of its outlets that are in the batch.
        may_boot: Whether the boot limit already includes their rasps.
        power: The return of their power.
    """

    parts: Sequence[tuple[PowerGroup, Sequence[Outlet]]]
    may_boot: bool
    power: ReturnOfPower = field(default_factory=ReturnOfPower)

    @property
    def outlets(self) -> list[Outlet]:
        return [outlet for _, outlets in self.parts for outlet in outlets]


class _Cycle:
    """A power cycle from its cut on.

    Args:
        context: Access to the rasps and outlets.
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

    async def restore(self, groups: Sequence[GroupToCut], *, is_one: bool) -> None:
        """Switch the outlets on that were cut, and set the results of their groups.

        Args:
            groups: The groups.
            is_one: Whether all outlets get power as one. The boot limit already includes their
                rasps.
        """
        batches = list(self._batches(groups, is_one=is_one))
        returns = {outlet: batch.power for batch in batches for outlet in batch.outlets}
        for each in groups:
            self._tracker.set_stage(each.group.target, "off")
        await asyncio.gather(
            *(self._switch_on(batch) for batch in batches),
            *(self._set_results(each, returns) for each in groups),
            self._switch_on_not_cut([outlet for each in groups for outlet in each.outlets]),
        )

    def _batches(self, groups: Sequence[GroupToCut], *, is_one: bool) -> Iterator[_Batch]:
        cut = [
            (each.group, [outlet for outlet in each.outlets if outlet not in self._cut.problems])
            for each in groups
        ]
        if is_one:
            yield _Batch(cut, may_boot=True)
            return
        for group, outlets in cut:
            for batch in group.batches(outlets, self._context.rack.orders.max_booting):
                yield _Batch([(group, batch)], may_boot=False)

    async def _switch_on(self, batch: _Batch) -> None:
        context, power = self._context, batch.power
        await _sleep_until(context, self._tracker, self._on_again_at - SAVE_SECONDS)
        if not batch.may_boot:
            for group, _ in batch.parts:
                self._tracker.set_stage(group.target, WAITING)
            await context.boot_limiter.acquire(self._booting(batch))
        at = None if self._tracker.is_cancelled else self._on_again_at
        switched = await context.switch(batch.outlets, is_on=True, at=at, cause=self._tracker.cause)
        for group, outlets in batch.parts:
            self._tracker.set_stage(group.target, "booting")
            for slot, _ in context.installed_rasps(group.slots_of(outlets)):
                self._tracker.set_stage(slot, "booting")
        power.problems = switched.problems
        power.observer = EdgeObserver(context, switched.edges)
        power.at = asyncio.get_running_loop().time()
        power.is_over.set()
        await self._wait_for_empty_slots(batch)

    async def _switch_on_not_cut(self, outlets: Sequence[Outlet]) -> None:
        """Switch outlets on whose cut failed. A reply that was lost looks like a failure."""
        not_cut = [outlet for outlet in outlets if outlet in self._cut.problems]
        if not_cut:
            await _sleep_until(self._context, self._tracker, self._on_again_at)
            await self._context.switch(not_cut, is_on=True, cause=self._tracker.cause)

    async def _wait_for_empty_slots(self, batch: _Batch) -> None:
        """Wait as long as rasps boot that may be in slots without an installed rasp."""
        context = self._context
        installed = sum(
            len(context.installed_rasps(group.slots_of(outlets))) for group, outlets in batch.parts
        )
        count = self._booting(batch) - installed
        if count and not batch.power.problems:
            await asyncio.sleep(context.rack.orders.boot_seconds)
        await context.boot_limiter.release(count)

    def _booting(self, batch: _Batch) -> int:
        return sum(self._context.booting_rasps(group, outlets) for group, outlets in batch.parts)

    async def _set_results(self, each: GroupToCut, returns: Mapping[Outlet, ReturnOfPower]) -> None:
        group = each.group
        watched = each.without(self._cut.problems)
        cycled = await asyncio.gather(
            *(self._watch(slot, rasp, group, returns) for slot, rasp in watched)
        )
        rasps = {slot: rasp for (slot, _), rasp in zip(watched, cycled, strict=True)}
        observations = {
            slot: self._observation(each, slot, rasps.get(slot)) for slot, _ in each.installed
        }
        results = results_after_cut(
            group,
            observations,
            was_off=each.was_off,
            problems=self._cut.problems,
            read_off=self._cut.read_off,
        )
        switched = [outlet for outlet in group.outlets if outlet in returns]
        for outlet in switched:
            await returns[outlet].is_over.wait()
        if switched:
            on = results_after_power_on(
                group,
                {slot: self._boot_result(rasp) for slot, rasp in rasps.items()},
                problems={
                    outlet: problem
                    for power in returns.values()
                    for outlet, problem in power.problems.items()
                },
            )
            results = results_of_cycle(group, results, each.shut_down, on)
        self._tracker.set_results(results)

    async def _watch(
        self,
        slot: Slot,
        rasp: Rasp,
        group: PowerGroup,
        returns: Mapping[Outlet, ReturnOfPower],
    ) -> CycledRasp:
        outlet = group.outlet_of(slot)
        try:
            cycled = await watch(
                self._context,
                slot,
                rasp,
                outlet,
                cut=self._cut,
                cut_observer=self._cut_observer,
                power=returns[outlet],
            )
        finally:
            await self._context.boot_limiter.release()
        if not cycled.is_reachable:
            self._tracker.set_stage(slot, NO_REPLY)
        return cycled

    def _observation(self, each: GroupToCut, slot: Slot, rasp: CycledRasp | None) -> CutObservation:
        replied_before = slot in self._cut.replied_before
        if rasp is None:
            return CutObservation(each.shutdowns.get(slot), replied_before, None)
        return CutObservation(
            each.shutdowns.get(slot), replied_before, rasp.replies_after_cut, reason=rasp.reason
        )

    def _boot_result(self, rasp: CycledRasp) -> StepResult:
        if rasp.is_reachable:
            return ok(f"reachable after {rasp.seconds:.0f} s")
        seconds = self._context.rack.orders.boot_seconds
        return no_reply(rasp.is_reachable, f"{seconds:g} s after power-on")


async def _sleep_until(context: OrderContext, tracker: OrderTracker, time: float) -> None:
    """Sleep until a time in seconds since the boot, or until the order is canceled."""
    while not tracker.is_cancelled and (remaining := time - context.outlets.now().monotonic) > 0:
        await asyncio.sleep(min(remaining, context.poll_seconds))
