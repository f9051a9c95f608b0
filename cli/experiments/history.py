"""Histories: the operations of a client, one JSON object a line, with the fields of Jepsen.

An operation has an `invoke` line and later a line with its outcome: `ok` (it took effect), `fail`
(it had no effect) or `info` (unknown). A process has one operation at a time. A process whose
operation ended as `info` invokes nothing more, because that operation may still take effect.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, cast

from rack.errors import PiRackError

OperationType = Literal["invoke", "ok", "fail", "info"]

MAX_LINE_BYTES = 64 * 2**20
MAX_OPERATIONS = 10_000_000

_TYPES = ("invoke", "ok", "fail", "info")
_REQUIRED = ("type", "process", "f", "time")
_MAX_INTEGER = 2**63 - 1
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9*!_?<>=+-]{0,99}")
_SHOWN_CHARACTERS = 60


class HistoryError(PiRackError, ValueError):
    """A history is malformed. The text names the file, the line, the problem and a fix."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A line of a history.

    Attributes:
        index: Ascending number of the line.
        type: `invoke`, or the outcome.
        process: Number of the process, a logical thread of the client.
        f: Name of the function, such as `add` or `read`.
        value: Argument or result.
        time: Nanoseconds since the start of the client.
        extra: Other fields, such as `error`.
        invocation: For an outcome, the line with the invocation.
    """

    index: int
    type: OperationType
    process: int
    f: str
    value: Any
    time: int
    extra: Mapping[str, Any] = field(default_factory=dict)
    invocation: "Operation | None" = None


def read_history(path: Path) -> Iterator[Operation]:
    """Yield the operations of a file.

    Raises:
        HistoryError: If the file cannot be read or a line is malformed.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise HistoryError(
            f"{path.name}: {error.strerror}: let the client write the file {{history}}"
        ) from error
    with closing(file):
        yield from parse_history(_lines(file), path.name)


def parse_history(lines: Iterable[bytes], name: str = "history") -> Iterator[Operation]:
    """Yield the operations of lines of JSON.

    Args:
        lines: The lines, with their line ends.
        name: Name of the file for errors.

    Raises:
        HistoryError: If a line is malformed, too long, or does not fit to the earlier ones.
    """
    processes = _Processes()
    next_index = 0
    for number, line in enumerate(lines, 1):
        if number > MAX_OPERATIONS:
            raise HistoryError(f"{name}: more than {MAX_OPERATIONS:,} lines: write fewer")
        try:
            operation = _operation(line, next_index)
            next_index = operation.index + 1
            yield processes.pair(operation)
        except _LineError as error:
            raise HistoryError(f"{name} line {number}: {error}") from error


class _LineError(ValueError):
    """A line is malformed."""


class _Processes:
    """Pairs outcomes with their invocations."""

    def __init__(self) -> None:
        self._open: dict[int, Operation] = {}
        self._crashed: set[int] = set()

    def pair(self, operation: Operation) -> Operation:
        """Return the operation, with its invocation."""
        process = operation.process
        if operation.type == "invoke":
            self._invoke(operation)
            return operation
        invocation = self._open.pop(process, None)
        if invocation is None:
            raise _LineError(f"process {process} has not invoked this: write the invoke line first")
        if invocation.f != operation.f:
            raise _LineError(
                f"process {process} invoked {invocation.f}: write its outcome before that of"
                f" {operation.f}"
            )
        if operation.type == "info":
            self._crashed.add(process)
        return Operation(
            operation.index,
            operation.type,
            process,
            operation.f,
            operation.value,
            operation.time,
            operation.extra,
            invocation,
        )

    def _invoke(self, operation: Operation) -> None:
        process = operation.process
        if process in self._open:
            raise _LineError(
                f"process {process} invokes before its last operation has ended: write the outcome"
                " first, or use another process number"
            )
        if process in self._crashed:
            raise _LineError(
                f"process {process} invokes after an info: use a new process number, because that"
                " operation may still take effect"
            )
        self._open[process] = operation


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line


def _operation(line: bytes, next_index: int) -> Operation:
    if len(line) > MAX_LINE_BYTES:
        raise _LineError(f"longer than {MAX_LINE_BYTES:,} bytes: let the client write less")
    fields = _parse(line)
    for key in _REQUIRED:
        if key not in fields:
            raise _LineError(f"{key} is missing: write index, type, process, f, value and time")
    outcome = fields.pop("type")
    if outcome not in _TYPES:
        raise _LineError(f"type is {_show(outcome)}: write invoke, ok, fail or info")
    index = _integer("index", fields.pop("index", next_index))
    if index < next_index:
        raise _LineError(f"index is {index}, expected {next_index} or more: number the lines")
    f = fields.pop("f")
    _require_keyword("f", f)
    operation = Operation(
        index=index,
        type=cast(OperationType, outcome),
        process=_integer("process", fields.pop("process")),
        f=f,
        value=fields.pop("value", None),
        time=_integer("time", fields.pop("time")),
        extra=fields,
    )
    for key in fields:
        _require_keyword("a key", key)
    return operation


def _parse(line: bytes) -> dict[str, Any]:
    try:
        fields = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if not line.endswith(b"\n"):
            raise _LineError("cut off: the client ended while it wrote this line") from error
        raise _LineError("not JSON in UTF-8: write one JSON object a line") from error
    if not isinstance(fields, dict):
        raise _LineError(f"{_show(fields)} is not an operation: write one JSON object a line")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _integer(key: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
        raise _LineError(f"{key} is {_show(value)}: write an integer from 0 to 2^63 - 1")
    return value


def _require_keyword(key: str, value: Any) -> None:
    if not isinstance(value, str) or not _KEYWORD.fullmatch(value):
        raise _LineError(f"{key} is {_show(value)}: write a name of letters, digits, - and _")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
