"""Check that the exporter's resource usage does not grow over many scrapes.

One of ten aliases fails. `python -m bench.soak` prints a Markdown table, and exits with 1 if the
usage grew.
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
_THREAD_EXIT_SECONDS = 0.2  # time for the last scrape's thread to end
_MAX_MEMORY_GROWTH = 1_000_000  # bytes, between the first and the last step

# This alias replaces one of the ten packaged aliases. The exporter runs it in a separate process.
_FAILING_ALIAS = "\n[soak]\nfailing = echo not a number; exit 3\n"


def soak(scrapes: int) -> list[tuple[int, ProcessUsage]]:
    """Scrape the exporter. Return the number of scrapes and the usage after each tenth."""
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
                    raise OSError("a scrape lacks an expected value")
                time.sleep(_THREAD_EXIT_SECONDS)
                steps.append((step * (scrapes // _STEPS), measure_usage(exporter.pid)))
            return steps


def find_growth(first: ProcessUsage, last: ProcessUsage) -> list[str]:
    """Return the names of the values that are greater in `last` than in `first`."""
    counts = ("processes", "threads", "descriptors")
    grown = [name for name in counts if getattr(last, name) > getattr(first, name)]
    return grown + ["memory"] * (last.rss > first.rss + _MAX_MEMORY_GROWTH)


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--scrapes", type=int, default=100_000, help="default: %(default)s")
    steps = soak(parser.parse_args().scrapes)
    lines = [
        "| scrapes | memory (RSS) | processes | threads | file descriptors |",
        "|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {scrapes:,} | {usage.rss / 1e6:.1f} MB | {usage.processes} | {usage.threads} "
        f"| {usage.descriptors} |"
        for scrapes, usage in steps
    ]
    grown = find_growth(steps[0][1], steps[-1][1])
    lines += ["", f"GREW: {', '.join(grown)}" if grown else "Nothing grew."]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
