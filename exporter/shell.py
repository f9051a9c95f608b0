"""Run the commands of aliases and tell how each of them went."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from exporter import filesystem
from exporter.aliases import Alias
from exporter.filesystem import Question, Statvfs
from exporter.processes import Command, Processes, Result

DEFAULT_TIMEOUT = 5.0
"""Seconds that an alias may take if it has no time-out of its own."""


def environment(root: Path) -> dict[str, str]:
    """Return all that a command finds in its environment.

    `ROOT` is the folder that holds `sys` and `proc`, empty for `/`. `LC_ALL` makes a decimal
    point a point.
    """
    return {
        "ROOT": "" if root == Path("/") else str(root),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
    }


class Shell:
    """Runs aliases, each in a shell of its own.

    `root` is the folder that holds `sys` and `proc`; `statvfs` answers for file systems.
    """

    def __init__(self, *, root: Path, statvfs: Statvfs = os.statvfs) -> None:
        self._root = root
        self._statvfs = statvfs
        self._processes = Processes(environment(root))

    def run(self, aliases: Sequence[Alias], timeout: float) -> dict[Alias, Result]:
        """Run all aliases at once, none of them for longer than `timeout` seconds."""
        results: dict[Alias, Result] = {}
        commands: dict[Alias, Command] = {}
        for alias in aliases:
            if question := filesystem.parse(alias.command):
                results[alias] = self._answer(question)
            else:
                patience = min(alias.timeout or DEFAULT_TIMEOUT, timeout)
                commands[alias] = Command(alias.command, patience)
        results |= zip(commands, self._processes.run(commands.values()), strict=True)
        return {alias: results[alias] for alias in aliases}

    def close(self) -> None:
        """Kill whatever runs; a `run` under way in another thread returns at once."""
        self._processes.close()

    def _answer(self, question: Question) -> Result:
        started = time.monotonic()
        try:
            output = str(filesystem.answer(question, self._root, self._statvfs)).encode()
        except OSError as error:
            return Result(b"", f"{question.path}: {error.strerror}", time.monotonic() - started)
        return Result(output, None, time.monotonic() - started)
