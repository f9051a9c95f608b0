"""How long an install looks for its rasps, and how right it is: in simulated time.

`python -m bench.installer` prints a table in Markdown, and ends with 1 if a bar is missed: `cut`
must put nobody into a wrong stack, and take at most 0.35 of the first PiRack's time for 12 stacks.
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
from tests.dhcp_installer.simulated_rack import FAULTS, SimulatedRack, healthy_pis

STRATEGIES: dict[str, type[Strategy]] = {
    "first PiRack's": OriginalStrategy,
    "`one-by-one`": SwitchOnEach,
    "`cut`": SwitchOffEach,
}
_SLOTS = 4
_TARGET_RATIO = 0.35
_TARGET_STACKS = 12


@dataclass(frozen=True)
class TrialResult:
    """Means over all trials; `seconds` are simulated ones, the others numbers of rasps."""

    seconds: float
    misplaced: float
    unplaced: float  # alive, and not placed


def run_trials(strategy: type[Strategy], fault: str, stacks: int, trials: int) -> TrialResult:
    """Let a strategy discover racks of so many stacks, one a seed."""
    seconds, wrong, lost = [], 0, 0
    for seed in range(trials):
        random = Random(seed)  # noqa: S311 - a simulation, not a secret
        pis = healthy_pis(stacks, _SLOTS)
        FAULTS[fault](pis, random)
        rack = SimulatedRack(pis, random)
        findings = rack.discover(strategy(dict.fromkeys(range(1, stacks + 1), _SLOTS)))
        seconds.append(rack.now)
        placed = {mac: stack for stack, macs in findings.stacks.items() for mac in macs}
        wrong += sum(rack.actual_stacks[mac] != stack for mac, stack in placed.items())
        lost += sum(not pi.is_dead and pi.mac not in placed for pi in pis)
    return TrialResult(statistics.mean(seconds), wrong / trials, lost / trials)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.installer", description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="default: %(default)s")
    trials = parser.parse_args().trials
    heads = "".join(f" {name} |" for name in STRATEGIES)
    lines = [f"| stacks | fault |{heads} `cut`, of the first's |", "|---:|---|" + "---:|" * 4]
    missed = False
    for stacks in (12, 48):
        for fault in FAULTS:
            outcomes = [run_trials(each, fault, stacks, trials) for each in STRATEGIES.values()]
            first, _, cut = outcomes
            ratio = cut.seconds / first.seconds
            missed |= cut.misplaced > 0 or (stacks == _TARGET_STACKS and ratio > _TARGET_RATIO)
            cells = "".join(
                f" {each.seconds:.0f} s, {each.misplaced:.2f}, {each.unplaced:.2f} |"
                for each in outcomes
            )
            lines.append(f"| {stacks} | {fault} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
