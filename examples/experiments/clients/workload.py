"""Write unique integers to a store, read them back at the end, and write the history.

The history has one JSON line for each start and each end of an operation, with the fields of
Jepsen. An operation ends with `ok` if the store acknowledged it, with `fail` if it certainly had no
effect, and otherwise with `info`.
"""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

WORKERS = 8
WRITES_PER_SECOND = 1000

_READER = WORKERS  # process of the final read
_PROCESSES = WORKERS + 1
_RETRY_SECONDS = 0.1
_FLUSH_SECONDS = 0.2


class RefusedError(Exception):
    """The store refused an operation, so that it had no effect."""


class StoreConnection(Protocol):
    """Connection to a store. The methods raise OSError if the store does not respond."""

    def add(self, value: int) -> None:
        """Write an integer, and return when the store has acknowledged it."""

    def read(self) -> list[int]:
        """Return all integers."""

    def close(self) -> None:
        """Close the connection."""


Connect = Callable[[Sequence[str]], StoreConnection]
"""Connects to a store on nodes with these addresses. Raises OSError or RefusedError."""


class History:
    """Writer of a history. `start_ns` is the zero of its times on the monotonic clock."""

    def __init__(self, file: TextIO, start_ns: int) -> None:
        self._file = file
        self._start_ns = start_ns
        self._indexes = itertools.count()
        self._lock = threading.Lock()

    def append(
        self, kind: str, process: int, function: str, value: object, error: str = ""
    ) -> None:
        """Append an operation's start (`invoke`) or end (`ok`, `fail` or `info`)."""
        with self._lock:
            operation: dict[str, object] = {
                "index": next(self._indexes),
                "type": kind,
                "process": process,
                "f": function,
                "value": value,
                "time": time.monotonic_ns() - self._start_ns,
            }
            if error:
                operation["error"] = error
            self._file.write(json.dumps(operation, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Make the operations visible to readers of the file."""
        with self._lock:
            self._file.flush()


class _Workers:
    """Threads that write to the store. A process of the history is one of them.

    After `info`, a worker continues as a new process, because the operation may still take effect.
    """

    def __init__(self, connect: Connect, nodes: Sequence[str], history: History) -> None:
        self._connect = connect
        self._nodes = nodes
        self._history = history
        self._values = itertools.count(1)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the workers when their operations have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, process: int) -> None:
        pause = WORKERS / WRITES_PER_SECOND
        due = time.monotonic()
        connection: StoreConnection | None = None
        # Each worker prefers another node, as far as the store lets it choose.
        nodes = [*self._nodes[process % len(self._nodes) :], *self._nodes]
        while not self._stop.is_set():
            try:
                connection = connection or self._connect(nodes)
            except (OSError, RefusedError):
                self._stop.wait(_RETRY_SECONDS)
                continue
            kind = self._add(connection, process)
            if kind != "ok":
                connection.close()
                connection = None
                self._stop.wait(_RETRY_SECONDS)
            if kind == "info":
                process += _PROCESSES
            due = max(due + pause, time.monotonic())
            self._stop.wait(due - time.monotonic())
        if connection is not None:
            connection.close()

    def _add(self, connection: StoreConnection, process: int) -> str:
        value = next(self._values)
        self._history.append("invoke", process, "add", value)
        kind, text = "ok", ""
        try:
            connection.add(value)
        except RefusedError as error:
            kind, text = "fail", str(error)
        except OSError as error:
            kind, text = "info", str(error)
        self._history.append(kind, process, "add", value, text)
        return kind


def run(
    connect: Connect,
    nodes: Sequence[str],
    history_file: Path,
    stop: threading.Event,
    start_ns: int,
    *,
    read_seconds: float = 20.0,
) -> None:
    """Write to the store until `stop` is set, and end the history with a read.

    Args:
        connect: Connects to the store.
        nodes: Addresses of the nodes.
        history_file: File of the history, which is created.
        stop: Event that ends the writes.
        start_ns: Zero of the history's times on the monotonic clock.
        read_seconds: Seconds in which a failed read is repeated.
    """
    with history_file.open("w", encoding="utf-8") as file:
        history = History(file, start_ns)
        workers = _Workers(connect, nodes, history)
        while not stop.wait(_FLUSH_SECONDS):
            history.flush()
        workers.stop()
        _read(connect, nodes, history, read_seconds)


def _read(connect: Connect, nodes: Sequence[str], history: History, seconds: float) -> None:
    """Read all integers, with retries until a deadline."""
    history.append("invoke", _READER, "read", None)
    deadline = time.monotonic() + seconds
    while True:
        try:
            with _connected(connect, nodes) as connection:
                history.append("ok", _READER, "read", connection.read())
                return
        except (OSError, RefusedError) as error:
            if time.monotonic() > deadline:
                history.append("fail", _READER, "read", None, str(error))
                return
        time.sleep(_RETRY_SECONDS)


@contextmanager
def _connected(connect: Connect, nodes: Sequence[str]) -> Iterator[StoreConnection]:
    connection = connect(nodes)
    try:
        yield connection
    finally:
        connection.close()
