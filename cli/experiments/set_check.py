"""The check `set`: every acknowledged write is there, none twice, and none that was not written.

A client adds unique integers and, after the faults, reads all of them once. Losses are decided as
in Jepsen's checker `set`. In addition, an element that the store returns twice, and an element
whose add has failed, are violations.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cli.experiments.history import HistoryError, Operation
from cli.experiments.verdict import VerdictResult

_ADD = "add"
_READ = "read"
_INTEGERS = range(-(2**63), 2**63)
_MAX_INTERVALS = 50


@dataclass(frozen=True, slots=True)
class AcknowledgedWrite:
    """An element whose add succeeded, and the time of the acknowledgement in nanoseconds."""

    value: int
    acknowledged_at: int


@dataclass(frozen=True)
class SetResult:
    """Result of the check.

    Attributes:
        attempted: Number of adds.
        acknowledged: Number of adds that succeeded.
        lost: Acknowledged writes that the final read did not return, by time.
        duplicated: Elements that the final read returned more than once.
        invented: Elements of the final read that were never added.
        failed_but_present: Elements of the final read whose add failed.
        recovered: Elements of the final read whose add has an unknown outcome.
        unchecked: Number of writes that were acknowledged after the final read began, and that it
            did not return.
        is_read: Whether there is a final read.
    """

    attempted: int
    acknowledged: int
    lost: tuple[AcknowledgedWrite, ...] = ()
    duplicated: tuple[int, ...] = ()
    invented: tuple[int, ...] = ()
    failed_but_present: tuple[int, ...] = ()
    recovered: tuple[int, ...] = ()
    unchecked: int = 0
    is_read: bool = True

    @property
    def verdict(self) -> VerdictResult:
        """Whether the store has lost a write, broken another promise, or neither."""
        if self.lost:
            return "lost"
        if self.duplicated or self.invented or self.failed_but_present:
            return "failed"
        return "unknown" if self.reason else "ok"

    @property
    def reason(self) -> str:
        """Why the check may have missed a loss, or an empty text."""
        if not self.is_read:
            return "the history has no read that succeeded: let the client read after the faults"
        if not self.acknowledged:
            return "no write was acknowledged, so that none could be lost"
        if self.unchecked:
            return (
                f"writes that were acknowledged after the final read began: {self.unchecked:,}:"
                " let the client read after its last add"
            )
        return ""

    def statistics(self) -> dict[str, Any]:
        """Return the numbers of the result, and its elements as bounded texts."""
        return {
            "attempted": self.attempted,
            "acknowledged": self.acknowledged,
            "recovered": len(self.recovered),
            "unchecked": self.unchecked,
            "lost": len(self.lost),
            "lost_elements": intervals([write.value for write in self.lost]),
            "duplicated": len(self.duplicated),
            "duplicated_elements": intervals(self.duplicated),
            "invented": len(self.invented),
            "invented_elements": intervals(self.invented),
            "failed_but_present": len(self.failed_but_present),
            "failed_but_present_elements": intervals(self.failed_but_present),
        }


def check(operations: Iterable[Operation]) -> SetResult:
    """Return the result for a history.

    Raises:
        HistoryError: If an add is not of a unique integer, or a read not of integers.
    """
    adds = _Adds()
    final_read: Operation | None = None
    for operation in operations:
        if operation.f == _ADD:
            adds.record(operation)
        elif operation.f == _READ and operation.type == "ok":
            final_read = operation
    if final_read is None or final_read.invocation is None:
        return SetResult(len(adds.outcomes), len(adds.acknowledged), is_read=False)
    return _compare(adds, _elements(final_read), final_read.invocation.index)


def intervals(values: Sequence[int]) -> str:
    """Return integers as sorted intervals, such as `1..3 7`, and at most 50 of them."""
    parts: list[list[int]] = []
    for value in sorted(values):
        if parts and value <= parts[-1][1] + 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    shown = [str(low) if low == high else f"{low}..{high}" for low, high in parts[:_MAX_INTERVALS]]
    return " ".join([*shown, "…"] if len(parts) > _MAX_INTERVALS else shown)


class _Adds:
    """The adds of a history.

    Attributes:
        outcomes: Type of the last operation of each element.
        acknowledged: The operation that acknowledged each element.
    """

    def __init__(self) -> None:
        self.outcomes: dict[int, str] = {}
        self.acknowledged: dict[int, Operation] = {}

    def record(self, operation: Operation) -> None:
        """Record an operation of an add."""
        value = _integer(operation, operation.value)
        if operation.invocation is None:
            if value in self.outcomes:
                raise _error(operation, f"{value} is added again: let the client add each once")
        elif operation.invocation.value != value:
            raise _error(operation, f"value is {value} and of its invoke another: write the same")
        self.outcomes[value] = operation.type
        if operation.type == "ok":
            self.acknowledged[value] = operation


def _compare(adds: _Adds, elements: list[int], read_index: int) -> SetResult:
    counts = Counter(elements)
    missing = [op for value, op in adds.acknowledged.items() if value not in counts]
    lost = [
        AcknowledgedWrite(operation.value, operation.time)
        for operation in missing
        if operation.index < read_index
    ]
    outcomes = {value: adds.outcomes.get(value) for value in sorted(counts)}
    return SetResult(
        attempted=len(adds.outcomes),
        acknowledged=len(adds.acknowledged),
        lost=tuple(sorted(lost, key=lambda write: (write.acknowledged_at, write.value))),
        duplicated=tuple(value for value in outcomes if counts[value] > 1),
        invented=tuple(value for value, outcome in outcomes.items() if outcome is None),
        failed_but_present=tuple(value for value, outcome in outcomes.items() if outcome == "fail"),
        recovered=tuple(
            value for value, outcome in outcomes.items() if outcome in {"info", "invoke"}
        ),
        unchecked=len(missing) - len(lost),
    )


def _elements(read: Operation) -> list[int]:
    if not isinstance(read.value, list):
        raise _error(read, "the value of a read is not a list: write the list of all elements")
    return [_integer(read, element) for element in read.value]


def _integer(operation: Operation, value: Any) -> int:
    if type(value) is not int or value not in _INTEGERS:
        raise _error(operation, f"{str(value)[:40]!r} is not an integer of 64 bits: add integers")
    return value


def _error(operation: Operation, problem: str) -> HistoryError:
    return HistoryError(f"history, {operation.f} with index {operation.index}: {problem}")
