"""Measure duration and accuracy of the discovery strategies in simulated time.

`python -m bench.installer` prints Markdown tables, and exits with 1 if a target is missed. `cut`
and `one-by-one` must place no rasp in a wrong stack or slot. For 12 stacks and faults of single
rasps, `cut` must take at most 0.35 of the time of the first PiRack. With an outlet for each slot,
cuts in groups must take at most 0.8 of the time of cuts of each outlet alone, without a fault.

`python -m bench.installer --own-outlets` prints the table for racks with an outlet for each slot
only.

`python -m bench.installer --harsh-trials 100000` runs `cut` on random racks with many faults
instead, with `--own-outlets` on racks with an outlet for each slot. It must place no rasp in a
wrong stack or slot, and at least 99 % of the rasps that are alive, wired, and have an outlet that
works.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from random import Random

from dhcp_installer.discovery.strategy import Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from tests.dhcp_installer.harsh_trials import HarshTrial, harsh_trial
from tests.dhcp_installer.original_strategy import OriginalStrategy
from tests.dhcp_installer.outlets import rasp_counts
from tests.dhcp_installer.simulated_rack import (
    FAULTS,
    LONG_PING_INTERVAL,
    PING_INTERVAL,
    SimulatedRack,
    healthy_pis,
)

STRATEGIES: dict[str, type[Strategy]] = {
    "first PiRack": OriginalStrategy,
    "`one-by-one`": SwitchOnEach,
    "`cut`": SwitchOffEach,
}
OWN_OUTLET_SETUPS = ("a relay for each stack", "each outlet alone", "groups of outlets")
_HARSH = "harsh"
_SLOTS = 4
_TARGET_RATIO = 0.35
_TARGET_STACKS = 12
_MAX_GROUPS_RATIO = 0.8
_MAX_UNPLACED_RATIO = 0.01
_SEEDS_PER_TASK = 250
_TRIALS_PER_MESSAGE = 5000


@dataclass(frozen=True)
class TrialResult:
    """Simulated seconds and counts of rasps, of one trial or as the mean of several."""

    seconds: float
    placeable: float  # alive, wired, and with an outlet that works
    misplaced: float
    unplaced: float  # of the placeable rasps


def run_trial(trial: HarshTrial, strategy: type[Strategy]) -> TrialResult:
    """Run a strategy on a simulated rack."""
    result = trial.rack.discover(strategy(trial.rasp_counts))
    placed = {mac for macs in result.outlets.values() for mac in macs}
    misplaced = len(trial.rack.misplaced(result))
    placeable = trial.placeable_macs
    return TrialResult(trial.rack.now, len(placeable), misplaced, len(placeable - placed))


def make_trial(
    strategy: type[Strategy], fault: str, stacks: int, seed: int, *, slots: int = _SLOTS, own: bool
) -> HarshTrial:
    """Return the trial of a seed on a rack of stacks with this number of slots."""
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    if fault == _HARSH:
        return harsh_trial(
            seed, [slots] * stacks, ping_interval=ping_interval, own_probability=float(own)
        )
    random = Random(seed)  # noqa: S311 - a simulation, not a secret
    pis = healthy_pis(stacks, slots, own=own)
    FAULTS[fault](pis, random)
    numbers = range(1, stacks + 1)
    outlets = rasp_counts(dict.fromkeys(numbers, slots), own=numbers if own else ())
    return HarshTrial(outlets, SimulatedRack(pis, random, ping_interval=ping_interval))


def run_trials(
    strategy: type[Strategy],
    fault: str,
    stacks: int,
    trials: int,
    *,
    slots: int = _SLOTS,
    own: bool = False,
) -> TrialResult:
    """Run a strategy on one simulated rack for each seed. Return the means."""
    return _mean(
        [
            run_trial(make_trial(strategy, fault, stacks, seed, slots=slots, own=own), strategy)
            for seed in range(trials)
        ]
    )


def run_harsh_trials(seeds: range, own_probability: float) -> list[TrialResult]:
    """Run `cut` on one random rack for each seed."""
    return [
        run_trial(harsh_trial(seed, own_probability=own_probability), SwitchOffEach)
        for seed in seeds
    ]


def print_harsh_trials(trials: int, own_probability: float) -> bool:
    """Run `cut` on random racks on all processors. Return whether the printed counts are good."""
    tasks = [range(s, min(s + _SEEDS_PER_TASK, trials)) for s in range(0, trials, _SEEDS_PER_TASK)]
    results: list[TrialResult] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for task_results in pool.map(run_harsh_trials, tasks, repeat(own_probability)):
            results.extend(task_results)
            if len(results) % _TRIALS_PER_MESSAGE == 0:
                wrong = sum(result.misplaced for result in results)
                sys.stderr.write(f"{len(results)} trials, {wrong} rasps in a wrong place\n")
    placeable = sum(result.placeable for result in results)
    misplaced = sum(result.misplaced for result in results)
    unplaced = sum(result.unplaced for result in results)
    sys.stdout.write(
        f"{trials} harsh trials, seeds 0 to {trials - 1}, mean {_mean(results).seconds:.0f} s:"
        f" {placeable} rasps, {misplaced} in a wrong stack or slot,"
        f" {unplaced} not placed ({unplaced / placeable:.2%})\n"
    )
    return misplaced == 0 and unplaced <= placeable * _MAX_UNPLACED_RATIO


def print_table(trials: int) -> bool:
    """Run all strategies with all faults. Return whether the printed table meets all targets."""
    headers = "".join(f" {name} |" for name in STRATEGIES)
    lines = [
        f"| stacks | fault |{headers} `cut`, relative to the first |",
        "|---:|---|" + "---:|" * 4,
    ]
    meets_targets = True
    for stacks in (12, 48):
        for fault in (*FAULTS, _HARSH):
            results = [
                run_trials(strategy, fault, stacks, trials) for strategy in STRATEGIES.values()
            ]
            first, one_by_one, cut = results
            ratio = cut.seconds / first.seconds
            meets_targets &= cut.misplaced == one_by_one.misplaced == 0
            meets_targets &= ratio <= _TARGET_RATIO or stacks != _TARGET_STACKS or fault == _HARSH
            lines.append(f"| {stacks} | {fault} |{_cells(results)} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return meets_targets


def print_own_outlets_table(trials: int) -> bool:
    """Run `cut` on 48 rasps with outlets of their own. Return whether all targets are met.

    Cuts of each outlet alone are measured on 48 stacks of one rasp. A relay for each stack shows
    the time without the slots.
    """
    headers = "".join(f" {setup} |" for setup in OWN_OUTLET_SETUPS)
    lines = [f"| fault |{headers} `one-by-one` in groups |", "|---|" + "---:|" * 4]
    meets_targets = True
    for fault in (*FAULTS, _HARSH):
        relays = run_trials(SwitchOffEach, fault, 12, trials)
        alone = run_trials(SwitchOffEach, fault, 48, trials, slots=1)
        groups = run_trials(SwitchOffEach, fault, 12, trials, own=True)
        one_by_one = run_trials(SwitchOnEach, fault, 12, trials, own=True)
        meets_targets &= groups.misplaced == one_by_one.misplaced == 0
        meets_targets &= fault != "no fault" or groups.seconds <= _MAX_GROUPS_RATIO * alone.seconds
        lines.append(f"| {fault} |{_cells([relays, alone, groups, one_by_one])}")
    sys.stdout.write("\n".join(lines) + "\n")
    return meets_targets


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.installer", description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--harsh-trials", type=int, help="run only this number of harsh trials")
    parser.add_argument("--own-outlets", action="store_true", help="run only outlets for each slot")
    args = parser.parse_args()
    if args.harsh_trials:
        return 0 if print_harsh_trials(args.harsh_trials, float(args.own_outlets)) else 1
    is_good = args.own_outlets or print_table(args.trials)
    return 0 if print_own_outlets_table(args.trials) and is_good else 1


def _cells(results: Sequence[TrialResult]) -> str:
    return "".join(
        f" {result.seconds:.0f} s, {result.misplaced:.2f}, {result.unplaced:.2f} |"
        for result in results
    )


def _mean(results: Sequence[TrialResult]) -> TrialResult:
    count = len(results)
    return TrialResult(
        sum(result.seconds for result in results) / count,
        sum(result.placeable for result in results) / count,
        sum(result.misplaced for result in results) / count,
        sum(result.unplaced for result in results) / count,
    )


if __name__ == "__main__":
    sys.exit(main())
