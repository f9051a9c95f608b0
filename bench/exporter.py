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
from bench.process_tree import cpu, usage
from tests.exporter.scraping import write_tree

PEERS: tuple[Callable[[Path, Path], AbstractContextManager[Peer]], ...] = (
    peers.pirack,
    peers.reading_alone,
    peers.node_exporter,
    peers.zabbix_agentd,
    peers.one_process_an_alias,
)
_SECONDS_A_ROUND = 0.5


@dataclass(frozen=True)
class Cost:
    """What a scrape of a peer costs, medians of all rounds; memory is that after the last."""

    name: str
    cpu: float  # seconds
    latency: float  # seconds
    pss: int  # bytes
    rss: int  # bytes


def measure(rounds: int) -> list[Cost]:
    """Scrape all peers in turn, `rounds` times, so that what disturbs one disturbs all."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = write_tree("pi4", folder / "root")
        running = [stack.enter_context(start(root, folder)) for start in PEERS]
        cpus: dict[str, list[float]] = {peer.name: [] for peer in running}
        latencies: dict[str, list[float]] = {peer.name: [] for peer in running}
        for _ in range(rounds):
            for peer in running:
                before, scrapes = cpu(peer.pid), 0
                end = time.monotonic() + _SECONDS_A_ROUND
                while time.monotonic() < end:
                    started = time.perf_counter()
                    peer.scrape()
                    latencies[peer.name].append(time.perf_counter() - started)
                    scrapes += 1
                cpus[peer.name].append((cpu(peer.pid) - before) / scrapes)
        memory = {peer.name: usage(peer.pid) for peer in running}
    return [
        Cost(
            name,
            statistics.median(cpus[name]),
            statistics.median(latencies[name]),
            memory[name].pss,
            memory[name].rss,
        )
        for name in cpus
    ]


def table(costs: list[Cost]) -> str:
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


def verdicts(costs: list[Cost]) -> list[tuple[str, float, float]]:
    """What is asked of the exporter: a name, the ratio reached, and the bar."""
    ours, reading, node, zabbix, _ = costs
    return [
        ("CPU, of zabbix_agentd's", ours.cpu / zabbix.cpu, 0.10),
        ("CPU, of node_exporter's", ours.cpu / node.cpu, 0.40),
        ("latency, of reading alone", ours.latency / reading.latency, 2.0),
        ("memory (PSS), of node_exporter's", ours.pss / node.pss, 1.0),
    ]


def machine() -> str:
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
    lines = [machine(), "", table(costs), ""]
    missed = False
    for name, ratio, bar in verdicts(costs):
        missed |= ratio > bar
        lines.append(f"- {name}: {ratio:.3f} (bar {bar:g}){' MISSED' if ratio > bar else ''}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
