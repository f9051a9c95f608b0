"""Observe whether a rasp goes down, boots and replies.

The uptime shows whether a rasp has booted. Its clock does not, because a time server may set it,
and missing replies do not, because packets may be lost.
"""

import asyncio

from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.model import StepResult, failed, ok, unknown
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Slot

MISSED_PINGS = 3
"""Consecutive pings without a reply after which a rasp is down. Pings may be lost for seconds."""


def not_verified(change: str, *, is_cancelled: bool = False) -> StepResult:
    """Return the result for a rasp if it is unknown whether it went down or came back."""
    reason = "the order was cancelled" if is_cancelled else PROBE_UNAVAILABLE
    return unknown(f"{change} not verified: {reason}")


async def has_booted_since(context: OrderContext, rasp: Rasp, since: float) -> bool | None:
    """Return whether a rasp has booted since a time of the event loop's clock. None if unknown."""
    elapsed = asyncio.get_running_loop().time() - since
    uptime = await context.run_in_thread(context.exporter_client.uptime, rasp.address)
    return None if uptime is None else uptime < elapsed


async def wait_until_reachable(context: OrderContext, rasp: Rasp, deadline: float) -> bool | None:
    """Wait until a rasp replies.

    Args:
        context: Access to the rasps.
        rasp: The rasp to wait for.
        deadline: Time of the event loop's clock at which to stop waiting.

    Returns:
        Whether the rasp replied. None if unknown.
    """
    loop = asyncio.get_running_loop()
    while not (is_reachable := await context.is_reachable(rasp)) and loop.time() < deadline:
        await asyncio.sleep(context.poll_seconds)
    return is_reachable


async def wait_until_unreachable(
    context: OrderContext,
    tracker: OrderTracker,
    rasp: Rasp,
    deadline: float,
    *,
    rebooting_since: float | None = None,
) -> bool | None:
    """Wait until a rasp does not reply, or has rebooted faster than the polling interval.

    Args:
        context: Access to the rasps.
        tracker: Progress of the order.
        rasp: The rasp that goes down.
        deadline: Time of the event loop's clock at which to stop waiting.
        rebooting_since: Time of the event loop's clock before the reboot, or None if the rasp does
            not reboot.

    Returns:
        Whether the rasp went down. None if pings are not possible, or if the order was cancelled
        before the rasp went down.
    """
    loop = asyncio.get_running_loop()
    missed_pings = 0
    while True:
        is_reachable = await context.is_reachable(rasp)
        missed_pings = missed_pings + 1 if is_reachable is False else 0
        if missed_pings == MISSED_PINGS:
            return True
        if (
            is_reachable
            and rebooting_since is not None
            and await has_booted_since(context, rasp, rebooting_since)
        ):
            return True
        if tracker.is_cancelled and is_reachable:
            return None
        if loop.time() >= deadline:
            return None if is_reachable is None else False
        await asyncio.sleep(context.poll_seconds)


async def wait_for_reboot(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp, since: float
) -> StepResult:
    """Wait until a rasp goes down, boots and replies.

    Args:
        context: Access to the rasps.
        tracker: Progress of the order.
        slot: Slot of the rasp.
        rasp: The rasp that reboots.
        since: Time of the event loop's clock before the reboot was requested.
    """
    loop = asyncio.get_running_loop()
    settings = context.rack.orders
    tracker.set_stage(slot, "shutting down")
    is_down = await wait_until_unreachable(
        context, tracker, rasp, loop.time() + settings.shutdown_seconds, rebooting_since=since
    )
    if is_down is None:
        return not_verified("reboot", is_cancelled=tracker.is_cancelled)
    if not is_down:
        return failed(f"did not go down within {settings.shutdown_seconds:g} s")
    tracker.set_stage(slot, "booting")
    return await _wait_until_rebooted(context, rasp, since)


async def _wait_until_rebooted(context: OrderContext, rasp: Rasp, since: float) -> StepResult:
    loop = asyncio.get_running_loop()
    seconds = context.rack.orders.boot_seconds
    deadline = loop.time() + seconds
    while True:
        is_reachable = await wait_until_reachable(context, rasp, deadline)
        has_booted = await has_booted_since(context, rasp, since) if is_reachable else None
        if has_booted:
            return ok(f"back after {loop.time() - since:.0f} s")
        if loop.time() >= deadline:
            break
        await asyncio.sleep(context.poll_seconds)
    if is_reachable is None:
        return not_verified("reboot")
    if not is_reachable:
        return failed(f"no reply {seconds:g} s after it went down")
    if has_booted is None:
        return unknown("replies again, but its uptime cannot be read: reboot not verified")
    return failed("replies again, but did not reboot: its uptime did not start again")
