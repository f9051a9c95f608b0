"""Switch groups off: shut their rasps down, cut their power, and report what was observed."""

import asyncio
from collections.abc import Sequence

from controller.orders.boots import MISSED_PINGS
from controller.orders.context import OrderContext
from controller.orders.edge_observer import EdgeObserver
from controller.orders.power_cut import GroupToCut, cut_power, prepare_cut
from controller.orders.power_group import PowerGroup
from controller.orders.power_results import CutObservation, cancelled_results, results_after_cut
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Slot

_VERIFY_OFF_SECONDS = 6.0  # a rasp that still replies after this time has power


async def power_off(
    context: OrderContext, tracker: OrderTracker, groups: Sequence[PowerGroup]
) -> None:
    """Shut down the rasps of groups, unless the order is forced, and cut their power as one."""
    prepared = await asyncio.gather(*(prepare_cut(context, tracker, group) for group in groups))
    if tracker.is_cancelled:
        for each in prepared:
            tracker.set_results(cancelled_results(each))
        return
    cut = await cut_power(context, tracker, prepared)
    observer = EdgeObserver(context, cut.edges)
    deadline = asyncio.get_running_loop().time() + _VERIFY_OFF_SECONDS

    async def verify(each: GroupToCut) -> None:
        tracker.set_stage(each.group.target, "verifying that it is off")
        switched = each.without(cut.problems)
        replies_after = await asyncio.gather(
            *(
                _still_replies(
                    context, slot, rasp, deadline, observer if slot in cut.replied_before else None
                )
                for slot, rasp in switched
            )
        )
        replies = {slot: reply for (slot, _), reply in zip(switched, replies_after, strict=True)}
        observations = {
            slot: CutObservation(
                each.shutdowns.get(slot), slot in cut.replied_before, replies.get(slot)
            )
            for slot, _ in each.installed
        }
        tracker.set_results(
            results_after_cut(
                each.group,
                observations,
                was_off=each.was_off,
                problems=cut.problems,
                read_off=cut.read_off,
            )
        )

    await asyncio.gather(*map(verify, prepared))


async def _still_replies(
    context: OrderContext, slot: Slot, rasp: Rasp, deadline: float, observer: EdgeObserver | None
) -> bool | None:
    """Return whether a rasp still replies after the cut. None if unknown.

    A rasp that replied before the cut has an observer, and must miss several pings, because a ping
    may be lost.
    """
    loop = asyncio.get_running_loop()
    missed_pings = 0
    while missed_pings < (MISSED_PINGS if observer else 1):
        sent_at = context.outlets.now()
        is_reachable = await context.is_reachable(rasp)
        if is_reachable is None:
            return None
        if is_reachable and loop.time() >= deadline:
            return True
        missed_pings = 0 if is_reachable else missed_pings + 1
        if observer and not is_reachable:
            await observer.record_silence(slot, sent_at)
        await asyncio.sleep(context.poll_seconds)
    return False
