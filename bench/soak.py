"""Scrape the exporter very often, with one alias in ten failing: nothing may grow.

`python -m bench.soak` prints a table in Markdown, and ends with 1 if something grew.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench import peers
from bench.process_tree import ProcessUsage, measure_usage
from exporter.aliases import DEFAULT_PATH
from tests.exporter.scraping import write_tree

_STEPS = 10
_REST_SECONDS = 0.2  # seconds for the last scrape's thread to end
_MAX_MEMORY_GROWTH = (
    1_000_000  # bytes by which memory may differ between the first step and the last
)

# One in ten fails, in a process of its own; the packaged ones are the others.
_FAILING_ALIAS = "\n[soak]\nfailing = echo not a number; exit 3\n"


def soak(scrapes: int) -> list[tuple[int, ProcessUsage]]:
    """Scrape so often; return what the exporter used after each tenth of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = write_tree("pi4", folder / "root")
        packaged = DEFAULT_PATH.read_text()
        aliases = folder / "aliases.ini"
        aliases.write_text(packaged.replace("size_bytes = statvfs / size\n", "") + _FAILING_ALIAS)
        with peers.pirack(root, folder, "--aliases", str(aliases)) as exporter:
            steps = []
            for step in range(1, _STEPS + 1):
                for _ in range(scrapes // _STEPS):
                    body = exporter.scrape()
                if b"pirack_cpu_temperature_celsius 48.312\n" not in body:
                    raise OSError("a scrape lacks a value that it should have")
                time.sleep(_REST_SECONDS)
                steps.append((step * (scrapes // _STEPS), measure_usage(exporter.pid)))
            return steps


def find_growth(first: ProcessUsage, last: ProcessUsage) -> list[str]:
    """What grew from `first` to `last`."""
    counts = ("processes", "threads", "descriptors")
    found = [name for name in counts if getattr(last, name) > getattr(first, name)]
    return found + ["memory"] * (last.rss > first.rss + _MAX_MEMORY_GROWTH)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--scrapes", type=int, default=100_000, help="default: %(default)s")
    steps = soak(parser.parse_args().scrapes)
    lines = [
        "| scrapes | memory (RSS) | processes | threads | file descriptors |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {scrapes:,} | {used.rss / 1e6:.1f} MB | {used.processes} | {used.threads} "
        f"| {used.descriptors} |"
        for scrapes, used in steps
    ]
    found = find_growth(steps[0][1], steps[-1][1])
    lines += ["", f"GREW: {', '.join(found)}" if found else "Nothing grew."]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
