"""Measure how precisely a forced power cycle switches 12 stacks of a virtual rack.

The benchmark submits power cycles through the API and reads the edges of power from it. `python -m
bench.edges` prints a Markdown table with the distributions, and exits with 1 if a target is missed.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.exporter import describe_machine
from tests.controller.api_client import OrderClient
from tests.controller.rack_process import running_rack

_STACKS = 12
_OFF_SECONDS = 2.0
_MAX_SPREAD_MS = 20.0
_MAX_ERROR_MS = 50.0
_ORDERS = f"off_seconds = {_OFF_SECONDS}\nmax_booting = 100\nboot_seconds = 60"

Edge = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EdgePrecision:
    """Times of power cycles, in milliseconds.

    Attributes:
        cut_spreads: For each order, the time from before the first pin until after the last pin.
        return_spreads: The same when the power returned.
        off_errors: For each stack and order, the difference from the planned time without power.
    """

    cut_spreads: Sequence[float]
    return_spreads: Sequence[float]
    off_errors: Sequence[float]


def measure(rounds: int) -> EdgePrecision:
    """Run power cycles of the whole rack, and return their times."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_rack(Path(folder), stacks=_STACKS, orders=_ORDERS, boot_seconds=1.0) as rack,
    ):
        rack.start_blackbox()
        rack.wait_until_up()
        client = OrderClient(rack, rack.start_controller(), "bench")
        cycles = list(_run_cycles(client, rounds))
    cuts = [[edge for edge in edges if not edge["is_on"]] for edges in cycles]
    returns = [[edge for edge in edges if edge["is_on"]] for edges in cycles]
    return EdgePrecision(
        cut_spreads=[_spread(edges) for edges in cuts],
        return_spreads=[_spread(edges) for edges in returns],
        off_errors=[
            error
            for cut, restored in zip(cuts, returns, strict=True)
            for error in _off_errors(cut, restored)
        ],
    )


def _run_cycles(client: OrderClient, rounds: int) -> Iterator[Sequence[Edge]]:
    """Yield the edges of each power cycle."""
    for _ in range(rounds):
        order = client.run_order("rack", action="power_cycle", force=True)
        edges: list[Edge] = client.request("GET", f"edges?order={order['id']}").json()
        if len(edges) != 2 * _STACKS:
            raise ValueError(f"{2 * _STACKS} edges expected, but there are {len(edges)}")
        yield edges


def _spread(edges: Sequence[Edge]) -> float:
    first: float = min(edge["before"]["monotonic"] for edge in edges)
    last: float = max(edge["after"]["monotonic"] for edge in edges)
    return 1000 * (last - first)


def _off_errors(cut: Sequence[Edge], restored: Sequence[Edge]) -> Iterator[float]:
    off_at = {edge["stack"]: edge["after"]["monotonic"] for edge in cut}
    for edge in restored:
        seconds = edge["after"]["monotonic"] - off_at[edge["stack"]]
        yield 1000 * (seconds - _OFF_SECONDS)


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.edges", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="default: %(default)s")
    precision = measure(parser.parse_args().rounds)
    rows = {
        f"{_STACKS} stacks lose power within": (precision.cut_spreads, _MAX_SPREAD_MS),
        f"{_STACKS} stacks get power within": (precision.return_spreads, _MAX_SPREAD_MS),
        f"time without power, difference from {_OFF_SECONDS:g} s": (
            precision.off_errors,
            _MAX_ERROR_MS,
        ),
    }
    lines = [
        describe_machine(),
        "",
        "| ms | n | min | median | 95 % | max | target |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    is_missed = False
    for name, (values, target) in rows.items():
        worst = max(map(abs, values))
        is_missed |= worst > target
        percentile = statistics.quantiles(values, n=20, method="inclusive")[-1]
        lines.append(
            f"| {name} | {len(values)} | {min(values):.1f} | {statistics.median(values):.1f}"
            f" | {percentile:.1f} | {max(values):.1f}"
            f" | {target:g}{' MISSED' if worst > target else ''} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if is_missed else 0


if __name__ == "__main__":
    sys.exit(main())
