"""How long an install looks for its rasps, and how right it is: in simulated time.

`python -m bench.installer` prints a table in Markdown, and ends with 1 if a bar is missed: `cut`
must put nobody into a wrong stack, and take at most 0.35 of the first PiRack's time for 12 stacks.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from random import Random

from dhcp_installer.cut import Cut
from dhcp_installer.discovery import Strategy
from dhcp_installer.one_by_one import OneByOne
from tests.dhcp_installer.papers_way import PapersWay
from tests.dhcp_installer.simulated_rack import FAULTS, SimulatedRack, healthy

STRATEGIES: dict[str, type[Strategy]] = {
    "first PiRack's": PapersWay,
    "`one-by-one`": OneByOne,
    "`cut`": Cut,
}
_SLOTS = 4
_BAR = 0.35
_BAR_STACKS = 12


@dataclass(frozen=True)
class Outcome:
    """Means over all trials; `seconds` are simulated ones, the others numbers of rasps."""

    seconds: float
    wrong: float
    lost: float  # alive, and not placed


def outcome(strategy: type[Strategy], fault: str, stacks: int, trials: int) -> Outcome:
    """Let a strategy discover racks of so many stacks, one a seed."""
    seconds, wrong, lost = [], 0, 0
    for seed in range(trials):
        random = Random(seed)  # noqa: S311 - a simulation, not a secret
        pis = healthy(stacks, _SLOTS)
        FAULTS[fault](pis, random)
        rack = SimulatedRack(pis, random)
        findings = rack.discover(strategy(dict.fromkeys(range(1, stacks + 1), _SLOTS)))
        seconds.append(rack.now)
        placed = {mac: stack for stack, macs in findings.stacks.items() for mac in macs}
        wrong += sum(rack.truth[mac] != stack for mac, stack in placed.items())
        lost += sum(not pi.is_dead and pi.mac not in placed for pi in pis)
    return Outcome(statistics.mean(seconds), wrong / trials, lost / trials)


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
            outcomes = [outcome(each, fault, stacks, trials) for each in STRATEGIES.values()]
            first, _, cut = outcomes
            ratio = cut.seconds / first.seconds
            missed |= cut.wrong > 0 or (stacks == _BAR_STACKS and ratio > _BAR)
            cells = "".join(
                f" {each.seconds:.0f} s, {each.wrong:.2f}, {each.lost:.2f} |" for each in outcomes
            )
            lines.append(f"| {stacks} | {fault} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
