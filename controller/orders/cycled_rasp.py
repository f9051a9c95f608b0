"""Observe a rasp from the cut of its power until it replies after the return of power."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from controller.orders.boots import MISSED_PINGS, has_booted_since
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.edge_observer import EdgeObserver
from controller.orders.power_cut import CutResult
from rack.inventory import Rasp
from rack.layout import Outlet, Slot

_CUT_UNVERIFIED = "replies again, but its uptime cannot be read: power cut not verified"


@dataclass
class ReturnOfPower:
    """The return of the power of some outlets, which happens while their rasps are observed.

    Attributes:
        is_over: Set when the outlets were switched, or could not be switched.
        at: Time of the event loop's clock at which the outlets were switched.
        problems: Problem of each outlet that was not switched on.
        observer: Observer of the edges.
    """

    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = 0.0
    problems: Mapping[Outlet, str] = field(default_factory=dict)
    observer: EdgeObserver | None = None


@dataclass(frozen=True, slots=True)
class CycledRasp:
    """What was observed of a rasp.

    Args:
        replies_after_cut: Whether the rasp kept replying after the cut. None if unknown.
        reason: Reason for which this is unknown.
        is_reachable: Whether the rasp replies after the return of power. None if unknown.
        seconds: Seconds from the return of power to the last ping.
    """

    replies_after_cut: bool | None
    reason: str
    is_reachable: bool | None
    seconds: float


async def watch(
    context: OrderContext,
    slot: Slot,
    rasp: Rasp,
    outlet: Outlet,
    *,
    cut: CutResult,
    cut_observer: EdgeObserver,
    power: ReturnOfPower,
) -> CycledRasp:
    """Ping a rasp until it replies after the return of power, or its time to boot is over.

    Args:
        context: Access to the rasps.
        slot: Slot of the rasp.
        rasp: The rasp.
        outlet: The outlet that powers the rasp.
        cut: The power cut.
        cut_observer: Observer of the edges of the cut.
        power: The return of power.
    """
    loop = asyncio.get_running_loop()
    replied_before = slot in cut.replied_before
    missed_pings = most_missed = 0
    while True:
        sent_at, had_power = context.outlets.now(), power.is_over.is_set()
        is_reachable = await context.is_reachable(rasp)
        if is_reachable is False:
            missed_pings += 1
            most_missed = max(most_missed, missed_pings)
            if replied_before:
                await cut_observer.record_silence(slot, sent_at)
        elif is_reachable and not had_power:
            missed_pings = 0
        deadline = power.at + context.rack.orders.boot_seconds
        if had_power and (is_reachable or outlet in power.problems or loop.time() >= deadline):
            break
        await _sleep_or_wait_for(power.is_over, context.poll_seconds, is_over=had_power)
    seconds = loop.time() - power.at
    if is_reachable and power.observer:
        await power.observer.record_answer(slot, context.outlets.now())
    replies_after_cut: bool | None = False
    reason = PROBE_UNAVAILABLE
    if most_missed < (MISSED_PINGS if replied_before else 1):
        if is_reachable:
            has_booted = await has_booted_since(context, rasp, cut.started_at)
            replies_after_cut = None if has_booted is None else not has_booted
            reason = _CUT_UNVERIFIED
        elif is_reachable is None:
            replies_after_cut = None
    return CycledRasp(replies_after_cut, reason, is_reachable, seconds)


async def _sleep_or_wait_for(event: asyncio.Event, seconds: float, *, is_over: bool) -> None:
    """Sleep, but not longer than until an event that is not over happens."""
    if is_over:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
