"""Cut the power of stacks as one, and describe what was observed.

A rasp that was shut down does not reply, with or without power. A power cut is therefore observed
only if a rasp replies until the cut. Otherwise the results say that the cut was commanded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.rasp_actions import shut_down
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Slot, Stack
from rack.power_edges import Edge, SwitchError

NO_INSTALLED_RASP = "the stack has no installed rasp with which its power could be verified"

SAVE_SECONDS = 0.5
"""Seconds before a planned edge at which its command is saved. A slow disk may take this long."""

_NOT_OBSERVED = "power cut commanded, not observed"

InstalledRasps = Sequence[tuple[Slot, Rasp]]
StepResults = Mapping[Slot | Stack, StepResult]


@dataclass(frozen=True, slots=True)
class StackToCut:
    """A stack before its power is cut.

    Args:
        stack: The stack.
        installed: Its rasps.
        was_on: Whether its relay supplies power.
        shutdowns: Result of each shutdown.
        may_reply: Rasps that may reply until the cut.
    """

    stack: Stack
    installed: InstalledRasps
    was_on: bool
    shutdowns: Mapping[Slot, StepResult]
    may_reply: InstalledRasps

    @property
    def shut_down(self) -> frozenset[Slot]:
        """The rasps that were shut down."""
        return frozenset(
            slot for slot, result in self.shutdowns.items() if result.result is Result.OK
        )


@dataclass(frozen=True, slots=True)
class CutResult:
    """A power cut of stacks.

    Args:
        edges: Edges of the stacks that lost power.
        problems: Problem of each stack that was not switched, keyed by its number.
        replied_before: Rasps that replied immediately before the cut.
        started_at: Time of the event loop's clock before the cut.
        at: Time of the first edge, in seconds since the boot of the master.
    """

    edges: Sequence[Edge]
    problems: Mapping[int, str]
    replied_before: frozenset[Slot]
    started_at: float
    at: float


@dataclass(frozen=True, slots=True)
class CutObservation:
    """What was observed of a rasp around the power cut.

    Args:
        shutdown: Result of its shutdown, or None if it was not shut down.
        replied_before: Whether the rasp replied immediately before the cut.
        replies_after: Whether the rasp still replies after the cut. None if unknown.
        reason: Reason for which `replies_after` is unknown.
    """

    shutdown: StepResult | None
    replied_before: bool
    replies_after: bool | None
    reason: str = field(default=PROBE_UNAVAILABLE, kw_only=True)

    @property
    def shows_cut(self) -> bool:
        """Whether the rasp stopped replying when the power was cut."""
        return self.replied_before and self.replies_after is False


async def prepare_cut(context: OrderContext, tracker: OrderTracker, stack: Stack) -> StackToCut:
    """Shut down the rasps of a stack, unless the order is forced."""
    installed = context.installed_rasps(stack)
    was_on = context.relays.has_power(stack.number)
    if not was_on or tracker.plan.request.force:
        return StackToCut(stack, installed, was_on, {}, installed if was_on else ())
    shutdowns, may_reply = await _shut_down_all(context, tracker, stack, installed)
    return StackToCut(stack, installed, was_on, shutdowns, may_reply)


async def cut_power(
    context: OrderContext,
    tracker: OrderTracker,
    stacks: Sequence[StackToCut],
    *,
    at: float | None = None,
    off_seconds: float | None = None,
) -> CutResult:
    """Cut the power of stacks as one.

    Args:
        context: Access to the relays.
        tracker: Progress of the order.
        stacks: The stacks.
        at: Seconds since the boot of the master, or None for as soon as possible.
        off_seconds: Seconds until the stacks must have power again, or None if they stay off.
    """
    for each in stacks:
        tracker.set_stage(each.stack, "cutting power")
    may_reply = [rasp for each in stacks for rasp in each.may_reply]
    until = None if at is None else at - SAVE_SECONDS
    replied_before = await _replying(context, may_reply, until=until)
    started_at = asyncio.get_running_loop().time()
    cut_at = context.relays.now().monotonic if at is None else at
    edges: Sequence[Edge]
    problems: Mapping[int, str] = {}
    try:
        edges = await context.switch(
            {each.stack.number: False for each in stacks},
            at=at,
            on_again_at=None if off_seconds is None else cut_at + off_seconds,
            cause=tracker.cause,
        )
    except SwitchError as error:
        edges, problems = error.edges, error.problems
    edge_times = [edge.after.monotonic for edge in edges if edge.after]
    first = min(edge_times, default=context.relays.now().monotonic)
    return CutResult(edges, problems, frozenset(replied_before), started_at, first)


def results_of_problem(each: StackToCut, problem: str) -> StepResults:
    """Return the results of a stack and its rasps if its relay could not be switched."""
    return dict.fromkeys([each.stack, *(slot for slot, _ in each.installed)], failed(problem))


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
        reasons = [each.reason for each in observations.values() if each.replies_after is None]
        stack_result = unknown(reasons[0])
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


def cancelled_results(each: StackToCut) -> StepResults:
    """Return the results of a stack that was not switched because the order was canceled."""
    results: dict[Slot | Stack, StepResult] = {each.stack: failed("cancelled before the power cut")}
    for slot, _ in each.installed:
        shutdown = each.shutdowns.get(slot)
        if shutdown is None:
            results[slot] = failed("cancelled")
        elif shutdown.result is Result.OK:
            results[slot] = shutdown.combined_with(ok("stays down until its stack is power-cycled"))
        else:
            results[slot] = shutdown.combined_with(failed("cancelled"))
    return results


def _rasp_result(observation: CutObservation, cut: str) -> StepResult:
    """Return the result of a rasp. `cut` describes the power cut of its stack."""
    if observation.replies_after:
        return failed("still replies after the cut")
    after_cut = ok(cut) if observation.replies_after is False else unknown(observation.reason)
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


async def _replying(
    context: OrderContext, rasps: InstalledRasps, *, until: float | None = None
) -> set[Slot]:
    """Ping rasps once. Return those that reply before `until`, in seconds since the boot."""
    if not rasps:
        return set()
    pings = {asyncio.ensure_future(context.is_reachable(rasp)): slot for slot, rasp in rasps}
    timeout = None if until is None else max(0.0, until - context.relays.now().monotonic)
    done, _ = await asyncio.wait(pings, timeout=timeout)
    return {pings[ping] for ping in done if ping.result()}
