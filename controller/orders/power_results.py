"""Results of groups and their rasps, derived from what was observed.

A rasp that was shut down does not reply, with or without power. A power cut is therefore observed
only if a rasp replies until the cut, or if the outlet reports it. Otherwise the results say that
the cut was commanded.

A stack has a result for itself and one for each rasp. A group of one rasp has one result.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from controller.orders.context import PROBE_UNAVAILABLE
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.power_cut import GroupToCut
from controller.orders.power_group import PowerGroup
from controller.orders.power_texts import (
    no_rasp,
    reasons_for_no_reply,
    stuck_device,
    target_to_cycle,
)
from rack.layout import Outlet, Slot, Stack

StepResults = Mapping[Slot | Stack, StepResult]
OutletProblems = Mapping[Outlet, str]

_NO_PROBLEMS: OutletProblems = MappingProxyType({})
_NOT_OBSERVED = "power cut commanded, not observed"


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


def results_after_cut(
    group: PowerGroup,
    observations: Mapping[Slot, CutObservation],
    *,
    was_off: Collection[Slot] = (),
    problems: OutletProblems = _NO_PROBLEMS,
    read_off: Collection[Outlet] = (),
) -> StepResults:
    """Return the results of a group that was switched off.

    Args:
        group: The group.
        observations: What was observed of each installed rasp.
        was_off: Slots that had no power before the order.
        problems: Problem of each outlet that was not switched.
        read_off: Outlets that report that they are off.
    """
    switched = {
        slot: each for slot, each in observations.items() if group.outlet_of(slot) not in problems
    }
    without_power = {group.outlet_of(slot) for slot, each in switched.items() if each.shows_cut}
    rasps = {}
    for slot, observation in observations.items():
        outlet = group.outlet_of(slot)
        if outlet not in without_power and slot in was_off:
            cut = "was already switched off"
        else:
            is_observed = outlet in without_power or outlet in read_off
            cut = "its power was cut" if is_observed else _NOT_OBSERVED
        rasps[slot] = _rasp_after_cut(group, observation, cut, problems.get(outlet))
    stack_result = _stack_after_cut(group, switched, was_off, read_off)
    return _with_group(group, stack_result, rasps, problems)


def cancelled_results(each: GroupToCut) -> StepResults:
    """Return the results of a group that was not switched because the order was canceled."""
    cancelled = failed("cancelled before the power cut")
    results: dict[Slot | Stack, StepResult] = {each.group.target: cancelled}
    for slot, _ in each.installed:
        shutdown = each.shutdowns.get(slot)
        if shutdown is None:
            results[slot] = cancelled if each.group.slot else failed("cancelled")
        elif shutdown.result is Result.OK:
            stays_down = ok(f"stays down until {target_to_cycle(each.group)} is power-cycled")
            results[slot] = shutdown.combined_with(stays_down)
            if each.group.slot:
                results[slot] = results[slot].combined_with(cancelled)
        else:
            results[slot] = shutdown.combined_with(failed("cancelled"))
    return results


def results_after_power_on(
    group: PowerGroup,
    rasps: Mapping[Slot, StepResult],
    *,
    was_on: bool = False,
    problems: OutletProblems = _NO_PROBLEMS,
) -> StepResults:
    """Return the results of a group that was switched on.

    Args:
        group: The group.
        rasps: Result of each installed rasp.
        was_on: Whether the whole group had power before the order.
        problems: Problem of each outlet that was not switched.
    """
    reasons = reasons_for_no_reply(group, was_on=was_on)
    kinds = {each.result for slot, each in rasps.items() if group.outlet_of(slot) not in problems}
    if not kinds:
        stack_result = unknown(no_rasp(group))
    elif Result.OK in kinds:
        stack_result = ok("is on")
    elif Result.UNKNOWN in kinds:
        stack_result = unknown(PROBE_UNAVAILABLE)
    else:
        stack_result = failed(f"no rasp replies{reasons}")
    results = {
        slot: failed(problem)
        if (problem := problems.get(group.outlet_of(slot)))
        else failed(f"{each.detail}{reasons}")
        if group.slot and each.result is Result.FAILED
        else each
        for slot, each in rasps.items()
    }
    return _with_group(group, stack_result, results, problems)


def results_of_cycle(
    group: PowerGroup, off: StepResults, shut_down: Collection[Slot], on: StepResults
) -> StepResults:
    """Return the results of a power cycle from those of its two steps.

    A rasp that was shut down boots only after a power cut, so its boot confirms the cut.

    Args:
        group: The group.
        off: Results of the cut.
        shut_down: Rasps that were shut down before the cut.
        on: Results of the return of power, without rasps whose power was not cut.
    """
    results = {
        target: result.combined_with(on[target]) if target in on else result
        for target, result in off.items()
    }
    booted = [slot.name for slot in shut_down if slot in on and on[slot].result is Result.OK]
    if booted and group.slot is None and results[group.stack].result is Result.OK:
        names = ", ".join(sorted(booted))
        results[group.stack] = ok(f"power cut confirmed: {names} booted after the shutdown; is on")
    return results


def no_reply(is_reachable: bool | None, detail: str) -> StepResult:
    """Return the result of a rasp that does not reply. None means that this is unknown."""
    return unknown(PROBE_UNAVAILABLE) if is_reachable is None else failed(f"no reply {detail}")


def _rasp_after_cut(
    group: PowerGroup, observation: CutObservation, cut: str, problem: str | None
) -> StepResult:
    """Return the result of a rasp. `cut` describes the power cut of its outlet."""
    shutdown = observation.shutdown
    if problem:
        return shutdown.combined_with(failed(problem)) if shutdown else failed(problem)
    if observation.replies_after:
        reason = f": {stuck_device(group)}, or it has another power supply" if group.slot else ""
        return failed(f"still replies after the cut{reason}")
    after_cut = ok(cut) if observation.replies_after is False else unknown(observation.reason)
    if shutdown is None:
        return after_cut
    if shutdown.result is Result.OK and after_cut.result is Result.OK:
        return shutdown
    return shutdown.combined_with(after_cut)


def _stack_after_cut(
    group: PowerGroup,
    observations: Mapping[Slot, CutObservation],
    was_off: Collection[Slot],
    read_off: Collection[Outlet],
) -> StepResult:
    lost_power = [slot.name for slot, each in observations.items() if each.shows_cut]
    after = [each.replies_after for each in observations.values()]
    still = (
        f"rasps still reply after the cut: {stuck_device(group)}, or they have another power supply"
    )
    if any(after):
        return failed(still)
    reported = ""
    if all(outlet in read_off for outlet in group.outlets):
        reported = f"power cut reported by its outlet{'s' if len(group.outlets) > 1 else ''}"
    if not after:
        return ok(reported) if reported else unknown(no_rasp(group))
    if None in after:
        reasons = [each.reason for each in observations.values() if each.replies_after is None]
        return unknown(reasons[0])
    if all(slot in was_off for slot in observations):
        return ok("was already switched off, and no rasp replies")
    if lost_power:
        return ok(f"power cut observed: {', '.join(lost_power)} stopped replying")
    return ok(f"{reported or _NOT_OBSERVED}: its rasps were already down")


def _with_group(
    group: PowerGroup,
    stack_result: StepResult,
    rasps: Mapping[Slot, StepResult],
    problems: OutletProblems,
) -> StepResults:
    """Return the results of the rasps with that of their group."""
    failures = [problems[outlet] for outlet in group.outlets if outlet in problems]
    if failures:
        others = f"; {len(failures) - 1} more outlets failed" if failures[1:] else ""
        problem = failed(failures[0] + others)
        are_all = len(failures) == len(group.outlets)
        stack_result = problem if are_all else stack_result.combined_with(problem)
    if group.slot:
        return {group.slot: rasps.get(group.slot, stack_result)}
    results: dict[Slot | Stack, StepResult] = {group.stack: stack_result}
    return results | dict(rasps.items())
