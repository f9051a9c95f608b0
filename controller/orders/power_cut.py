"""Cut the power of groups as one.

Outlets that cannot be switched are known before the shutdowns, as far as possible. Their rasps keep
running.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.orders.context import OrderContext
from controller.orders.model import Result, StepResult, failed
from controller.orders.power_group import PowerGroup
from controller.orders.rasp_actions import shut_down
from controller.orders.tracker import OrderTracker
from rack.inventory import Rasp
from rack.layout import Outlet, Slot
from rack.power.edges import Edge

SAVE_SECONDS = 0.5
"""Seconds before a planned edge at which its command is saved. A slow disk may take this long."""

InstalledRasps = Sequence[tuple[Slot, Rasp]]


@dataclass(frozen=True, slots=True)
class GroupToCut:
    """A group before its power is cut.

    Args:
        group: The group.
        installed: Its rasps.
        was_off: Slots that have no power, as far as is known.
        problems: Problem of each outlet that is not switched, because it cannot be switched.
        shutdowns: Result of each shutdown.
        may_reply: Rasps that may reply until the cut.
    """

    group: PowerGroup
    installed: InstalledRasps
    was_off: frozenset[Slot]
    problems: Mapping[Outlet, str]
    shutdowns: Mapping[Slot, StepResult]
    may_reply: InstalledRasps

    @property
    def shut_down(self) -> frozenset[Slot]:
        """The rasps that were shut down."""
        return frozenset(
            slot for slot, result in self.shutdowns.items() if result.result is Result.OK
        )

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """The outlets to switch."""
        return tuple(outlet for outlet in self.group.outlets if outlet not in self.problems)

    def without(self, problems: Mapping[Outlet, str]) -> InstalledRasps:
        """Return the rasps whose outlets have none of these problems."""
        return [each for each in self.installed if self.group.outlet_of(each[0]) not in problems]


@dataclass(frozen=True, slots=True)
class CutResult:
    """A power cut of groups.

    Args:
        edges: Edges of the outlets that were switched.
        problems: Problem of each outlet that was not switched.
        read_off: Outlets that report that they are off.
        replied_before: Rasps that replied immediately before the cut.
        started_at: Time of the event loop's clock before the cut.
        at: Time of the first edge, in seconds since the boot of the master.
    """

    edges: Sequence[Edge]
    problems: Mapping[Outlet, str]
    read_off: frozenset[Outlet]
    replied_before: frozenset[Slot]
    started_at: float
    at: float


async def prepare_cut(
    context: OrderContext, tracker: OrderTracker, group: PowerGroup
) -> GroupToCut:
    """Shut down the rasps of a group, unless the order is forced."""
    is_forced = tracker.plan.request.force
    problems = {} if is_forced else await context.problems_of(group.outlets)
    off = [each for each in group.outlets if context.outlets.has_power(each) is False]
    was_off = frozenset(group.slots_of(off))
    installed = context.installed_rasps(group.slots)
    prepared = GroupToCut(group, installed, was_off, problems, {}, ())
    powered: InstalledRasps = [
        each for each in prepared.without(problems) if each[0] not in was_off
    ]
    shutdowns: Mapping[Slot, StepResult] = {}
    if not is_forced and set(prepared.outlets).difference(off):
        shutdowns, powered = await _shut_down_all(context, tracker, group, powered)
    return GroupToCut(group, installed, was_off, problems, shutdowns, powered)


async def cut_power(
    context: OrderContext,
    tracker: OrderTracker,
    groups: Sequence[GroupToCut],
    *,
    at: float | None = None,
    off_seconds: float | None = None,
) -> CutResult:
    """Cut the power of groups as one.

    Args:
        context: Access to the outlets.
        tracker: Progress of the order.
        groups: The groups.
        at: Seconds since the boot of the master, or None for as soon as possible.
        off_seconds: Seconds until the groups must have power again, or None if they stay off.
    """
    for each in groups:
        tracker.set_stage(each.group.target, "cutting power")
    may_reply = [rasp for each in groups for rasp in each.may_reply]
    until = None if at is None else at - SAVE_SECONDS
    replied_before = await _replying(context, may_reply, until=until)
    started_at = asyncio.get_running_loop().time()
    cut_at = context.outlets.now().monotonic if at is None else at
    switched = await context.switch(
        [outlet for each in groups for outlet in each.outlets],
        is_on=False,
        at=at,
        on_again_at=None if off_seconds is None else cut_at + off_seconds,
        cause=tracker.cause,
    )
    known = {outlet: problem for each in groups for outlet, problem in each.problems.items()}
    problems = {**known, **switched.problems}
    readings = context.outlets.readings
    edge_times = [edge.after.monotonic for edge in switched.edges if edge.after]
    return CutResult(
        switched.edges,
        problems,
        frozenset(
            outlet
            for outlet, reading in readings.items()
            if reading.power is False and outlet not in problems
        ),
        frozenset(replied_before),
        started_at,
        min(edge_times, default=context.outlets.now().monotonic),
    )


async def _shut_down_all(
    context: OrderContext, tracker: OrderTracker, group: PowerGroup, installed: InstalledRasps
) -> tuple[dict[Slot, StepResult], InstalledRasps]:
    """Shut down rasps of a group, and wait for disk writes.

    Returns:
        The result of each shutdown, and the rasps that reply nevertheless.
    """
    tracker.set_stage(group.target, "shutting down its rasps")
    results = await asyncio.gather(
        *(shut_down(context, tracker, slot, rasp) for slot, rasp in installed)
    )
    shutdowns = {slot: result for (slot, _), result in zip(installed, results, strict=True)}
    if tracker.is_cancelled:
        return shutdowns, ()
    tracker.set_stage(group.target, "waiting for disk writes")
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
    timeout = None if until is None else max(0.0, until - context.outlets.now().monotonic)
    done, _ = await asyncio.wait(pings, timeout=timeout)
    return {pings[ping] for ping in done if ping.result()}
