"""Operations per second of a history that a client is writing."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_OUTCOMES = ("ok", "fail", "info")
_MAX_READ_BYTES = 16 * 2**20
_NANOSECONDS = 10**9

Rate = dict[str, int]


class HistoryRates:
    """Counts of the completed operations in each second.

    Args:
        path: File of the history, which does not have to exist yet.
        origin: Clock of the controller at time 0 of the history, in seconds.
    """

    def __init__(self, path: Path, origin: float) -> None:
        self.totals: Counter[str] = Counter()
        self._path = path
        self._origin = origin
        self._position = 0
        self._counts: dict[int, Counter[str]] = {}
        self._changed: set[int] = set()

    def take_changes(self) -> list[Rate]:
        """Read what was appended. Return the counts of each second that changed."""
        for line in self._new_lines():
            self._count(line)
        changed, self._changed = sorted(self._changed), set()
        return [
            {"second": second, **{name: self._counts[second][name] for name in _OUTCOMES}}
            for second in changed
        ]

    def return_changes(self, rates: Iterable[Rate]) -> None:
        """Return these seconds again from the next `take_changes`, because they were not sent."""
        self._changed |= {rate["second"] for rate in rates}

    def _new_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                appended = file.read(_MAX_READ_BYTES)
        except FileNotFoundError:
            return []
        complete = appended[: appended.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.splitlines()

    def _count(self, line: bytes) -> None:
        """Count a line. The check reports lines that are not operations."""
        try:
            operation: Any = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(operation, dict):
            return
        outcome, time = operation.get("type"), operation.get("time")
        if outcome in _OUTCOMES and type(time) is int and 0 <= time < 2**63:
            second = int(self._origin + time / _NANOSECONDS)
            self._counts.setdefault(second, Counter())[outcome] += 1
            self.totals[outcome] += 1
            self._changed.add(second)
