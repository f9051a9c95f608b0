"""The line of a verdict about the result of the check `set`."""

import math
from collections.abc import Sequence

from cli.experiments.power_cuts import PowerCut
from cli.experiments.set_check import AcknowledgedWrite, SetResult
from rack.names import stack_name

_NANOSECONDS = 10**9
_MAX_CUTS = 3
_FINE_SECONDS = 10  # shorter times have a decimal


def summary(result: SetResult, cuts: Sequence[PowerCut] = (), *, clock_error: float = 0.0) -> str:
    """Return one line about a result.

    Args:
        result: The result.
        cuts: Power cuts of the run, by time.
        clock_error: Bound of the error between the clocks of the cuts and the history, in seconds.
    """
    violations = [
        (result.duplicated, "returned more than once"),
        (result.invented, "returned but never added"),
        (result.failed_but_present, "returned although the add failed"),
    ]
    parts = [f"{_count(values, 'element')} {text}" for values, text in violations if values]
    if result.lost:
        loss = f"{len(result.lost):,} of {result.acknowledged:,} acknowledged writes"
        parts.insert(0, ", ".join([loss, *_times(result.lost, cuts, clock_error)]))
    if parts:
        return "; ".join(parts)
    return result.reason or f"{result.acknowledged:,} acknowledged writes, none lost"


def _times(
    lost: Sequence[AcknowledgedWrite], cuts: Sequence[PowerCut], clock_error: float
) -> list[str]:
    """Return how long before the next cut the lost writes were acknowledged."""
    if not cuts:
        return []
    seconds: list[list[float]] = [[] for _ in cuts]
    after = 0
    for write in lost:
        acknowledged_at = write.acknowledged_at / _NANOSECONDS
        for cut, times in zip(cuts, seconds, strict=True):
            if acknowledged_at <= cut.at + clock_error:
                times.append(cut.at - acknowledged_at)
                break
        else:
            after += 1
    found = [(cut, times) for cut, times in zip(cuts, seconds, strict=True) if times]
    is_one_cut = len(found) == 1 and not after
    parts = [
        f"{'' if is_one_cut else f'{len(times):,} '}acknowledged at most"
        f" {_bound(max(times) + clock_error)} before {_cut_text(cut)}"
        for cut, times in found[:_MAX_CUTS]
    ]
    if others := sum(len(times) for _, times in found[_MAX_CUTS:]):
        parts.append(f"{others:,} before other cuts")
    if after:
        parts.append(f"{after:,} acknowledged after the last cut")
    return parts


def _bound(seconds: float) -> str:
    """Return an upper bound of a duration."""
    if seconds < _FINE_SECONDS:
        return f"{math.ceil(round(seconds * 10, 6)) / 10:.1f} s"
    return f"{math.ceil(round(seconds, 6)):,} s"


def _cut_text(cut: PowerCut) -> str:
    stacks = " ".join(stack_name(stack) for stack in cut.stacks)
    if stacks:
        stacks = f"stack{'s' if len(cut.stacks) > 1 else ''} {stacks}"
    names = " and ".join(filter(None, (stacks, " ".join(cut.rasps))))
    return f"{names} {'was' if len(cut.stacks) + len(cut.rasps) == 1 else 'were'} cut"


def _count(values: Sequence[int], noun: str) -> str:
    return f"{len(values):,} {noun}{'' if len(values) == 1 else 's'}"
