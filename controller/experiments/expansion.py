"""Expand a plan file and a seed to a plan: draw all times and places.

All choices are drawn from `random.Random.random`, whose values are the same on all versions of
Python (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from controller.experiments.overlaps import find_overlap
from controller.experiments.picking import PickError, pick_groups, resolve_place
from controller.experiments.plan import (
    STACK_KINDS,
    AbortLimits,
    Plan,
    PlanCheck,
    PlannedFault,
    PlanProbe,
)
from controller.experiments.plan_file import (
    FaultSettings,
    PlanError,
    PlanFile,
    Span,
    parse_span,
    plan_name,
)
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
        actions: Names of the actions of the rasps.
        offered: Numbers of the stacks from which nodes are chosen, in order of preference.
        reserved: Numbers of the reserved stacks, or None if the nodes may be in any stack.
    """

    rack: Rack
    actions: Collection[str]
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
    _check_keys(plan_file, file, context.actions)
    try:
        nodes = select_slots(context.rack, plan_file.nodes, context.offered, context.reserved)
    except SelectionError as error:
        problem, _, hint = str(error).rpartition(": ")
        raise PlanError(file, "nodes", problem or str(error), hint) from error
    faults = tuple(_expand_faults(plan_file, file, Draws(seed), context.rack, nodes))
    plan = Plan(
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
    if overlap := find_overlap(plan.faults):
        first, second = overlap
        raise PlanError(
            file,
            "fault",
            f"with seed {seed}, faults {first.number} and {second.number} overlap on stack"
            f" {min(set(first.stacks) & set(second.stacks))}",
            f"let fault {second.number} start after {first.ends_at:g} s, or pick other stacks",
        )
    return plan


def resolve_fault(plan: Plan, number: int, names: Sequence[str], rack: Rack) -> Plan:
    """Return a plan in which a fault has the rasps that its place turned out to be.

    Args:
        plan: A plan.
        number: Number of the fault.
        names: Names or addresses of rasps among the nodes.
        rack: Layout of the rack.

    Raises:
        PickError: If a name is not one of the nodes, or too many rasps would boot at once.
    """
    fault = next(each for each in plan.faults if each.number == number)
    slots = resolve_place(names, [slot for slot in rack.slots if slot.name in plan.nodes])
    resolved = _with_slots(fault, slots, rack)
    _check_boots(resolved, rack)
    return plan.with_fault(replace(resolved, place=""))


def _check_keys(plan_file: PlanFile, file: str, actions: Collection[str]) -> None:
    """Check the keys that depend on each other, or on the actions."""
    for key, action in (("start", plan_file.start), ("stop", plan_file.stop)):
        if action:
            _check_action(file, key, action, actions)
    check = plan_file.check
    for name, kind in (("command", "command"), ("query", "promql")):
        if bool(getattr(check, name)) != (check.kind == kind):
            problem = "missing" if check.kind == kind else f"the kind {check.kind} has no {name}"
            raise PlanError(
                file, f"check.{name}", problem, f'write kind = "{kind}" and {name}, or neither'
            )
    for index, fault in enumerate(plan_file.fault, start=1):
        _check_fault(file, f"fault[{index}]", fault, actions)


def _check_fault(file: str, key: str, fault: FaultSettings, actions: Collection[str]) -> None:
    cuts_power = fault.kind in STACK_KINDS
    if cuts_power and fault.off is None:
        raise PlanError(
            file, f"{key}.off", "missing", 'set it to the time without power, such as "2..4 s"'
        )
    if not cuts_power and fault.off is not None:
        raise PlanError(
            file, f"{key}.off", f"the kind {fault.kind} does not cut the power", "remove the key"
        )
    if fault.off is not None and parse_span(fault.off).low <= 0:
        raise PlanError(file, f"{key}.off", "0 s is no power cut", "use a time above 0 s")
    if fault.kind == "action":
        _check_action(file, f"{key}.action", fault.action, actions)
    elif fault.action:
        raise PlanError(
            file, f"{key}.action", f"the kind {fault.kind} runs no action", "remove the key"
        )


def _check_action(file: str, key: str, action: str, actions: Collection[str]) -> None:
    if action not in actions:
        raise PlanError(
            file,
            key,
            f"aliases.ini has no action {action!r}" if action else "missing",
            f"use one of {', '.join(sorted(actions))}, or add it to [actions] of aliases.ini",
        )


def _expand_faults(
    plan_file: PlanFile, file: str, draws: Draws, rack: Rack, nodes: Sequence[Slot]
) -> Iterator[PlannedFault]:
    number = 0
    for index, settings in enumerate(plan_file.fault, start=1):
        try:
            previous_end = 0.0
            if settings.pick in plan_file.place:
                groups: list[Sequence[Slot]] = [()]
            else:
                groups = pick_groups(settings.pick, settings.kind, rack, nodes, draws.choose)
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
                    place=settings.pick if settings.pick in plan_file.place else "",
                )
                fault = _with_slots(fault, slots, rack)
                _check_boots(fault, rack)
                previous_end = fault.ends_at
                yield fault
        except PickError as error:
            raise PlanError(file, f"fault[{index}].pick", error.problem, error.hint) from error


def _with_slots(fault: PlannedFault, slots: Sequence[Slot], rack: Rack) -> PlannedFault:
    """Return a fault on these slots, or on their whole stacks if it cuts the power."""
    stacks = tuple(sorted({slot.stack for slot in slots}))
    if fault.kind in STACK_KINDS:
        slots = [slot for stack in stacks for slot in rack.stack(stack).slots]
    return replace(fault, stacks=stacks, rasps=tuple(slot.name for slot in slots))


def _check_boots(fault: PlannedFault, rack: Rack) -> None:
    """Raise `PickError` if too many rasps would boot at the same time."""
    limit = rack.orders.max_booting
    if fault.kind != "action" and len(fault.rasps) > limit:
        raise PickError(
            f"{len(fault.rasps)} rasps would boot at the same time, but orders.max_booting is"
            f" {limit}",
            "pick fewer rasps, or raise orders.max_booting in rack.toml",
        )
