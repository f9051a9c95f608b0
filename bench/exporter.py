"""Measure CPU, latency and memory of a scrape, for the exporter and comparable programs.

`python -m bench.exporter` prints a Markdown table, and exits with 1 if a target is missed.
"""

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.peers import Peer
from bench.process_tree import cpu_seconds, measure_usage
from tests.exporter.scraping import write_tree

PEERS: tuple[Callable[[Path, Path], AbstractContextManager[Peer]], ...] = (
    peers.pirack,
    peers.reading_in_process,
    peers.node_exporter,
    peers.zabbix_agentd,
    peers.process_per_alias,
)
_ROUND_SECONDS = 0.5


@dataclass(frozen=True)
class ScrapeCost:
    """Median costs of one scrape over all rounds. Memory is measured after the last round."""

    name: str
    cpu: float  # seconds
    latency: float  # seconds
    pss: int  # bytes
    rss: int  # bytes


def measure(rounds: int) -> list[ScrapeCost]:
    """Scrape all peers in turn, so that other load on the machine affects them equally."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = write_tree("pi4", folder / "root")
        running = [stack.enter_context(start(root, folder)) for start in PEERS]
        cpus: dict[str, list[float]] = {peer.name: [] for peer in running}
        latencies: dict[str, list[float]] = {peer.name: [] for peer in running}
        for _ in range(rounds):
            for peer in running:
                cpu_before, scrapes = cpu_seconds(peer.pid), 0
                end = time.monotonic() + _ROUND_SECONDS
                while time.monotonic() < end:
                    start = time.perf_counter()
                    peer.scrape()
                    latencies[peer.name].append(time.perf_counter() - start)
                    scrapes += 1
                cpus[peer.name].append((cpu_seconds(peer.pid) - cpu_before) / scrapes)
        memory = {peer.name: measure_usage(peer.pid) for peer in running}
    return [
        ScrapeCost(
            name,
            statistics.median(cpus[name]),
            statistics.median(latencies[name]),
            memory[name].pss,
            memory[name].rss,
        )
        for name in cpus
    ]


def markdown_table(costs: list[ScrapeCost]) -> str:
    """Return the costs as a Markdown table."""
    lines = [
        "| | CPU per scrape | latency | memory (PSS) | memory (RSS) |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {cost.name} | {cost.cpu * 1e3:.2f} ms | {cost.latency * 1e3:.2f} ms "
        f"| {cost.pss / 1e6:.1f} MB | {cost.rss / 1e6:.1f} MB |"
        for cost in costs
    ]
    return "\n".join(lines)


def ratios_and_targets(costs: list[ScrapeCost]) -> list[tuple[str, float, float]]:
    """Return name, measured ratio and target of each requirement."""
    ours, reading, node, zabbix, _ = costs
    return [
        ("CPU, relative to zabbix_agentd", ours.cpu / zabbix.cpu, 0.10),
        ("CPU, relative to node_exporter", ours.cpu / node.cpu, 0.40),
        ("latency, relative to prometheus_client + open()", ours.latency / reading.latency, 2.0),
        ("memory (PSS), relative to node_exporter", ours.pss / node.pss, 1.0),
    ]


def describe_machine() -> str:
    """Return a description of this machine in one line."""
    info = Path("/proc/cpuinfo").read_text()
    models = [line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.machine()}, {len(models) or 1} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.exporter", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    costs = measure(parser.parse_args().rounds)
    lines = [describe_machine(), "", markdown_table(costs), ""]
    missed = False
    for name, ratio, target in ratios_and_targets(costs):
        missed |= ratio > target
        lines.append(
            f"- {name}: {ratio:.3f} (target {target:g}){' MISSED' if ratio > target else ''}"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
