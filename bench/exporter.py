"""What a scrape costs: CPU, time and memory, beside what others take for the same values.

`python -m bench.exporter` prints a table in Markdown, and ends with 1 if the exporter misses a bar.
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
    """What a scrape of a peer costs, medians of all rounds; memory is that after the last."""

    name: str
    cpu: float  # seconds
    latency: float  # seconds
    pss: int  # bytes
    rss: int  # bytes


def measure(rounds: int) -> list[ScrapeCost]:
    """Scrape all peers in turn, `rounds` times, so that what disturbs one disturbs all."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = write_tree("pi4", folder / "root")
        running = [stack.enter_context(start(root, folder)) for start in PEERS]
        cpus: dict[str, list[float]] = {peer.name: [] for peer in running}
        latencies: dict[str, list[float]] = {peer.name: [] for peer in running}
        for _ in range(rounds):
            for peer in running:
                before, scrapes = cpu_seconds(peer.pid), 0
                end = time.monotonic() + _ROUND_SECONDS
                while time.monotonic() < end:
                    started = time.perf_counter()
                    peer.scrape()
                    latencies[peer.name].append(time.perf_counter() - started)
                    scrapes += 1
                cpus[peer.name].append((cpu_seconds(peer.pid) - before) / scrapes)
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
    """The costs as a table in Markdown."""
    lines = [
        "| | CPU a scrape | latency | memory (PSS) | memory (RSS) |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {cost.name} | {cost.cpu * 1e3:.2f} ms | {cost.latency * 1e3:.2f} ms "
        f"| {cost.pss / 1e6:.1f} MB | {cost.rss / 1e6:.1f} MB |"
        for cost in costs
    ]
    return "\n".join(lines)


def ratios_and_targets(costs: list[ScrapeCost]) -> list[tuple[str, float, float]]:
    """What is asked of the exporter: a name, the ratio reached, and the bar."""
    ours, reading, node, zabbix, _ = costs
    return [
        ("CPU, of zabbix_agentd's", ours.cpu / zabbix.cpu, 0.10),
        ("CPU, of node_exporter's", ours.cpu / node.cpu, 0.40),
        ("latency, of reading alone", ours.latency / reading.latency, 2.0),
        ("memory (PSS), of node_exporter's", ours.pss / node.pss, 1.0),
    ]


def describe_machine() -> str:
    """This machine in a line."""
    info = Path("/proc/cpuinfo").read_text()
    models = [line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.machine()}, {len(models) or 1} cores, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.exporter", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    costs = measure(parser.parse_args().rounds)
    lines = [describe_machine(), "", markdown_table(costs), ""]
    missed = False
    for name, ratio, bar in ratios_and_targets(costs):
        missed |= ratio > bar
        lines.append(f"- {name}: {ratio:.3f} (bar {bar:g}){' MISSED' if ratio > bar else ''}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
