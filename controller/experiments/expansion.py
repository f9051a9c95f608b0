"""Expand a plan file and a seed to a plan: draw all times and places.

All choices are drawn from `random.Random.random`, whose values are the same on all versions of
Python (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from controller.errors import PlanError
from controller.experiments.conflicts import ConflictError, require_no_conflict
from controller.experiments.picking import PickError, pick_groups, resolve_place
from controller.experiments.plan import (
    POWER_KINDS,
    AbortLimits,
    Plan,
    PlanCheck,
    PlannedFault,
    PlanProbe,
)
from controller.experiments.plan_checks import check_keys
from controller.experiments.plan_file import PlanFile, Span, parse_span, plan_name
from controller.orders.actions import Action
from rack.layout import Rack, Slot
from rack.selection import SelectionError, select_slots

MAX_SEED = 2**53 - 1
"""Largest seed, which JSON readers represent exactly."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class RackContext:
    """What a plan may use.

    Attributes:
        rack: Layout of the rack.
        actions: Actions for rasps.
        offered: Numbers of the stacks from which nodes are chosen, in order of preference.
        reserved: Numbers of the reserved stacks, or None if the nodes may be in any stack.
    """

    rack: Rack
    actions: Collection[Action]
    offered: Sequence[int]
    reserved: Collection[int] | None = None


class Draws:
    """Random choices of a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret

    def seconds(self, span: Span) -> float:
        """Return a time in a range, in whole milliseconds."""
        if span.low == span.high:
            return span.low
        return round(span.low + (span.high - span.low) * self._random.random(), 3)

    def choose(self, items: Sequence[_T], count: int) -> list[_T]:
        """Return this number of different items, in their order."""
        indexes = list(range(len(items)))
        chosen = [indexes.pop(int(self._random.random() * len(indexes))) for _ in range(count)]
        return [items[index] for index in sorted(chosen)]


def expand(plan_file: PlanFile, file: str, seed: int, context: RackContext) -> Plan:
    """Return the plan of a seed.

    Args:
        plan_file: The parsed file.
        file: Name of the file.
        seed: Seed of all choices, 0 to `MAX_SEED`.
        context: Rack, actions and stacks.

    Raises:
        PlanError: If the plan does not fit the rack, its actions or the reserved stacks, or faults
            overlap.
    """
    if not 0 <= seed <= MAX_SEED:
        raise PlanError(file, "", f"seed {seed} is not valid", f"use a seed from 0 to {MAX_SEED}")
    check_keys(plan_file, file, context.actions)
    try:
        nodes = select_slots(context.rack, plan_file.nodes, context.offered, context.reserved)
    except SelectionError as error:
        raise PlanError(file, "nodes", error.problem, error.hint) from error
    expanded = list(_expand_faults(plan_file, file, Draws(seed), context.rack, nodes))
    faults = [fault for _, fault in expanded]
    try:
        require_no_conflict(faults, context.rack.orders.max_booting)
    except ConflictError as error:
        [table] = [table for table, fault in expanded if fault == error.fault]
        problem = f"with seed {seed}, {error.problem}"
        raise PlanError(file, f"{table}.{error.key}", problem, error.hint) from error
    return Plan(
        name=plan_name(file),
        seed=seed,
        nodes=tuple(slot.name for slot in nodes),
        stacks=tuple(sorted({slot.stack for slot in nodes})),
        start=plan_file.start,
        stop=plan_file.stop,
        client=plan_file.client,
        check=PlanCheck(plan_file.check.kind, plan_file.check.command, plan_file.check.query),
        probes=tuple(PlanProbe(each.promql, each.http, each.command) for each in plan_file.probe),
        within=parse_span(plan_file.within).low,
        clock_offset=parse_span(plan_file.clock_offset).low if plan_file.clock_offset else None,
        places={name: place.command for name, place in sorted(plan_file.place.items())},
        faults=tuple(sorted(faults, key=lambda fault: (fault.at, fault.number))),
        abort=AbortLimits(
            plan_file.abort.temperature,
            plan_file.abort.under_voltage,
            parse_span(plan_file.abort.boot_within).low,
        ),
    )


def resolve_fault(plan: Plan, number: int, names: Sequence[str], rack: Rack) -> Plan:
    """Return a plan in which a fault has the rasps that its place turned out to be.

    Args:
        plan: A plan.
        number: Number of the fault.
        names: Names or addresses of rasps among the nodes.
        rack: Layout of the rack.

    Raises:
        PickError: If a name is not one of the nodes, or the fault conflicts with another fault.
    """
    fault = next(each for each in plan.faults if each.number == number)
    slots = resolve_place(names, [slot for slot in rack.slots if slot.name in plan.nodes])
    resolved = plan.with_fault(replace(_with_slots(fault, slots, rack), place=""))
    try:
        require_no_conflict(resolved.faults, rack.orders.max_booting)
    except ConflictError as error:
        raise PickError(error.problem, error.hint) from error
    return resolved


def _expand_faults(
    plan_file: PlanFile, file: str, draws: Draws, rack: Rack, nodes: Sequence[Slot]
) -> Iterator[tuple[str, PlannedFault]]:
    """Yield each fault with the table of the file that defines it, such as `fault[2]`."""
    number = 0
    for index, settings in enumerate(plan_file.fault, start=1):
        table = f"fault[{index}]"
        place = settings.pick if settings.pick in plan_file.place else ""
        groups: list[Sequence[Slot]] = [()]
        if not place:
            try:
                groups = pick_groups(settings.pick, settings.kind, rack, nodes, draws.choose)
            except PickError as error:
                raise PlanError(file, f"{table}.pick", error.problem, error.hint) from error
        previous_end = 0.0
        for slots in groups:
            number += 1
            fault = PlannedFault(
                number,
                settings.kind,
                round(previous_end + draws.seconds(parse_span(settings.at)), 3),
                stacks=(),
                rasps=(),
                seconds_off=draws.seconds(parse_span(settings.off)) if settings.off else None,
                action=settings.action,
                pick=settings.pick,
                place=place,
            )
            previous_end = fault.ends_at
            yield table, _with_slots(fault, slots, rack)


def _with_slots(fault: PlannedFault, slots: Sequence[Slot], rack: Rack) -> PlannedFault:
    """Return a fault on these slots, and on all that share an outlet if it cuts the power."""
    stacks = tuple(sorted({slot.stack for slot in slots}))
    if fault.kind in POWER_KINDS:
        outlets = {rack.stack(slot.stack).outlet_of(slot) for slot in slots}
        slots = [slot for slot in rack.slots if rack.stack(slot.stack).outlet_of(slot) in outlets]
    return replace(fault, stacks=stacks, rasps=tuple(slot.name for slot in slots))
