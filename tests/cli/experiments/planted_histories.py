"""Histories of a store that breaks its promises for elements that are chosen beforehand."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

PROCESSES = 5
_OUTCOMES = ["ok"] * 7 + ["fail", "info", "open"]  # open: the client ended before the outcome


@dataclass
class PlantedHistory:
    """A history and what was planted into it.

    Attributes:
        lines: The lines of the history.
        acknowledged: Elements whose add was acknowledged before the final read.
    """

    lines: list[bytes] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    duplicated: set[int] = field(default_factory=set)
    invented: set[int] = field(default_factory=set)
    failed_but_present: set[int] = field(default_factory=set)
    recovered: set[int] = field(default_factory=set)

    def append(self, kind: str, process: int, f: str, value: Any, time: int) -> None:
        """Append a line."""
        operation = {"index": len(self.lines), "type": kind, "process": process}
        operation |= {"f": f, "value": value, "time": time}
        self.lines.append(json.dumps(operation).encode() + b"\n")

    @property
    def verdict(self) -> str:
        """The verdict that is due."""
        if self.lost:
            return "lost"
        if self.duplicated or self.invented or self.failed_but_present:
            return "failed"
        return "ok" if self.acknowledged else "unknown"


def planted_history(seed: int) -> PlantedHistory:
    """Return a history of concurrent adds, an early read and a final read."""
    source = random.Random(seed)
    history = PlantedHistory()
    values = source.sample(range(-1000, 1000), source.randint(1, source.choice([3, 80])))
    outcomes = {value: source.choice(_OUTCOMES) for value in values}
    _write(history, values, outcomes, source)
    with_outcome = {
        outcome: [value for value in values if outcomes[value] == outcome]
        for outcome in set(_OUTCOMES)
    }
    history.acknowledged = set(with_outcome["ok"])
    history.lost = _some(with_outcome["ok"], source)
    history.failed_but_present = _some(with_outcome["fail"], source)
    history.recovered = _some(with_outcome["info"] + with_outcome["open"], source)
    history.invented = _some(list(range(1000, 1010)), source)
    elements = [
        *history.acknowledged - history.lost,
        *history.failed_but_present,
        *history.recovered,
        *history.invented,
    ]
    history.duplicated = _some(elements, source)
    elements += [value for value in history.duplicated for _ in range(source.randint(1, 3))]
    source.shuffle(elements)
    time = len(history.lines) * 1000
    history.append("invoke", 10_000, "read", None, time)
    history.append("ok", 10_000, "read", elements, time + 1000)
    return history


def _some(values: list[int], source: random.Random) -> set[int]:
    """Return none of the values in half of the histories, and otherwise a few."""
    count = source.choice([0, 0, 0, 1, 2, 5])
    return set(source.sample(values, min(count, len(values))))


def _write(
    history: PlantedHistory, values: list[int], outcomes: dict[int, str], source: random.Random
) -> None:
    """Append the adds of several processes, interleaved, and a read in between."""
    remaining = list(values)
    running: dict[int, int] = {}
    processes = list(range(PROCESSES))
    early_read_at = source.randrange(len(values))
    while remaining or running:
        thread = source.randrange(PROCESSES)
        process, time = processes[thread], len(history.lines) * 1000
        if thread not in running:
            if remaining:
                running[thread] = remaining.pop()
                history.append("invoke", process, "add", running[thread], time)
            continue
        value = running.pop(thread)
        if outcomes[value] != "open":
            history.append(outcomes[value], process, "add", value, time)
        if outcomes[value] in {"info", "open"}:
            processes[thread] += PROCESSES
        if len(remaining) == early_read_at:
            early_read_at = -1
            history.append("invoke", 9_999, "read", None, time)
            history.append("ok", 9_999, "read", [], time)
