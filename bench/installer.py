"""Measure duration and accuracy of the discovery strategies in simulated time.

`python -m bench.installer` prints a Markdown table, and exits with 1 if a target is missed. `cut`
must place no rasp in a wrong stack. For 12 stacks, `cut` must take at most 0.35 of the time of the
first PiRack.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from random import Random

from dhcp_installer.discovery.strategy import Strategy
from dhcp_installer.discovery.switch_off_each import SwitchOffEach
from dhcp_installer.discovery.switch_on_each import SwitchOnEach
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
_SLOTS = 4
_TARGET_RATIO = 0.35
_TARGET_STACKS = 12


@dataclass(frozen=True)
class TrialResult:
    """Mean simulated seconds and mean counts of rasps over all trials."""

    seconds: float
    misplaced: float
    unplaced: float  # without dead rasps


def run_trials(strategy: type[Strategy], fault: str, stacks: int, trials: int) -> TrialResult:
    """Run a strategy on one simulated rack for each seed."""
    seconds, misplaced, unplaced = [], 0, 0
    for seed in range(trials):
        random = Random(seed)  # noqa: S311 - a simulation, not a secret
        pis = healthy_pis(stacks, _SLOTS)
        FAULTS[fault](pis, random)
        ping_interval = PING_INTERVAL if strategy is SwitchOffEach else LONG_PING_INTERVAL
        rack = SimulatedRack(pis, random, ping_interval=ping_interval)
        result = rack.discover(strategy(dict.fromkeys(range(1, stacks + 1), _SLOTS)))
        seconds.append(rack.now)
        placed = {mac: stack for stack, macs in result.stacks.items() for mac in macs}
        misplaced += sum(rack.actual_stacks[mac] != stack for mac, stack in placed.items())
        unplaced += sum(not pi.is_dead and pi.mac not in placed for pi in pis)
    return TrialResult(statistics.mean(seconds), misplaced / trials, unplaced / trials)


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.installer", description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="default: %(default)s")
    trials = parser.parse_args().trials
    headers = "".join(f" {name} |" for name in STRATEGIES)
    lines = [
        f"| stacks | fault |{headers} `cut`, relative to the first |",
        "|---:|---|" + "---:|" * 4,
    ]
    missed = False
    for stacks in (12, 48):
        for fault in FAULTS:
            results = [
                run_trials(strategy, fault, stacks, trials) for strategy in STRATEGIES.values()
            ]
            first, _, cut = results
            ratio = cut.seconds / first.seconds
            missed |= cut.misplaced > 0 or (stacks == _TARGET_STACKS and ratio > _TARGET_RATIO)
            cells = "".join(
                f" {result.seconds:.0f} s, {result.misplaced:.2f}, {result.unplaced:.2f} |"
                for result in results
            )
            lines.append(f"| {stacks} | {fault} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
