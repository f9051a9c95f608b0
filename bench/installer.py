"""Measure duration and accuracy of the discovery strategies in simulated time.

`python -m bench.installer` prints a Markdown table, and exits with 1 if a target is missed. `cut`
and `one-by-one` must place no rasp in a wrong stack. For 12 stacks and faults of single rasps,
`cut` must take at most 0.35 of the time of the first PiRack.

`python -m bench.installer --harsh-trials 100000` runs `cut` on random racks with many faults
instead. It must place no rasp in a wrong stack, and at least 99 % of the rasps that are alive,
wired, and have a relay that works.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from random import Random

from dhcp_installer.discovery.strategy import Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
from tests.dhcp_installer.harsh_trials import HarshTrial, harsh_trial
from tests.dhcp_installer.original_strategy import OriginalStrategy
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
_HARSH = "harsh"
_SLOTS = 4
_TARGET_RATIO = 0.35
_TARGET_STACKS = 12
_MAX_UNPLACED_RATIO = 0.01
_SEEDS_PER_TASK = 250
_TRIALS_PER_MESSAGE = 5000


@dataclass(frozen=True)
class TrialResult:
    """Simulated seconds and counts of rasps, of one trial or as the mean of several."""

    seconds: float
    placeable: float  # alive, wired, and with a relay that works
    misplaced: float
    unplaced: float  # of the placeable rasps


def run_trial(trial: HarshTrial, strategy: type[Strategy]) -> TrialResult:
    """Run a strategy on a simulated rack."""
    result = trial.rack.discover(strategy(trial.slot_counts))
    placed = {mac: stack for stack, macs in result.stacks.items() for mac in macs}
    misplaced = sum(trial.rack.actual_stacks[mac] != stack for mac, stack in placed.items())
    placeable = trial.placeable_macs
    return TrialResult(trial.rack.now, len(placeable), misplaced, len(placeable - placed.keys()))


def make_trial(strategy: type[Strategy], fault: str, stacks: int, seed: int) -> HarshTrial:
    """Return the trial of a seed on a rack of stacks of four."""
    ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
    if fault == _HARSH:
        return harsh_trial(seed, [_SLOTS] * stacks, ping_interval=ping_interval)
    random = Random(seed)  # noqa: S311 - a simulation, not a secret
    pis = healthy_pis(stacks, _SLOTS)
    FAULTS[fault](pis, random)
    rack = SimulatedRack(pis, random, ping_interval=ping_interval)
    return HarshTrial(dict.fromkeys(range(1, stacks + 1), _SLOTS), rack)


def run_trials(strategy: type[Strategy], fault: str, stacks: int, trials: int) -> TrialResult:
    """Run a strategy on one simulated rack for each seed. Return the means."""
    return _mean(
        [run_trial(make_trial(strategy, fault, stacks, seed), strategy) for seed in range(trials)]
    )


def run_harsh_trials(seeds: range) -> list[TrialResult]:
    """Run `cut` on one random rack for each seed."""
    return [run_trial(harsh_trial(seed), SwitchOffEach) for seed in seeds]


def print_harsh_trials(trials: int) -> bool:
    """Run `cut` on random racks on all processors. Return whether the printed counts are good."""
    tasks = [range(s, min(s + _SEEDS_PER_TASK, trials)) for s in range(0, trials, _SEEDS_PER_TASK)]
    results: list[TrialResult] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for task_results in pool.map(run_harsh_trials, tasks):
            results.extend(task_results)
            if len(results) % _TRIALS_PER_MESSAGE == 0:
                wrong = sum(result.misplaced for result in results)
                sys.stderr.write(f"{len(results)} trials, {wrong} rasps in a wrong stack\n")
    placeable = sum(result.placeable for result in results)
    misplaced = sum(result.misplaced for result in results)
    unplaced = sum(result.unplaced for result in results)
    sys.stdout.write(
        f"{trials} harsh trials, seeds 0 to {trials - 1}, mean {_mean(results).seconds:.0f} s:"
        f" {placeable} rasps, {misplaced} in a wrong stack,"
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
            cells = "".join(
                f" {result.seconds:.0f} s, {result.misplaced:.2f}, {result.unplaced:.2f} |"
                for result in results
            )
            lines.append(f"| {stacks} | {fault} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return meets_targets


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.installer", description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--harsh-trials", type=int, help="run only this number of harsh trials")
    args = parser.parse_args()
    if args.harsh_trials:
        return 0 if print_harsh_trials(args.harsh_trials) else 1
    return 0 if print_table(args.trials) else 1


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
