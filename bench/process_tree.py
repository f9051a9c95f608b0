"""Measure the resource usage of a process and its descendants in /proc. See proc(5)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessUsage:
    """Resource usage of a process tree."""

    cpu: float  # seconds since the start, including children that have ended
    pss: int  # bytes, with a proportional share of shared pages
    rss: int  # bytes
    processes: int
    threads: int
    descriptors: int


def measure_usage(root: int) -> ProcessUsage:
    """Measure the process `root` and its descendants."""
    cpu = pss = rss = threads = descriptors = 0
    tree = list(_tree(root))
    for pid in tree:
        with suppress(OSError):
            cpu += sum(int(ticks) for ticks in _stat(pid)[11:15])
            threads += int(_stat(pid)[17])
            for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                pss += int(rest.split()[0]) * 1024 if name == "Pss" else 0
                rss += int(rest.split()[0]) * 1024 if name == "Rss" else 0
            descriptors += len(list((_PROC / str(pid) / "fd").iterdir()))
    return ProcessUsage(cpu / _TICK, pss, rss, len(tree), threads, descriptors)


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds of a process tree. Faster than `measure_usage`."""
    return sum(int(ticks) for pid in _tree(root) for ticks in _stat(pid)[11:15]) / _TICK


def _tree(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        pending += children.get(pid, [])


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
