"""Run the commands of aliases and tell how each of them went.

Plain commands share a long-lived shell, any other runs in a process group of its own, beside the
others. A plain command that breaks the shared shell goes on among the others, from then on until
it has shown there that it is quick and well again.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from exporter import kernel, orphans, plain
from exporter.aliases import Alias
from exporter.kernel import Question, Statvfs
from exporter.output import Result
from exporter.processes import Processes, Running
from exporter.shared_shell import PlainCommand, SharedShell

DEFAULT_TIMEOUT = 5.0
"""Seconds that an alias may take if it has no time-out of its own."""

_PATIENCE = 0.2
_QUICK = _PATIENCE / 4
_CHANCES = 3


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
    """Runs the commands of `aliases`.

    `root` is the folder that holds `sys` and `proc`; `statvfs` answers for file systems. With
    `adopts` every child of this process is taken for a command's, and killed behind it.
    """

    def __init__(
        self,
        aliases: Sequence[Alias],
        *,
        root: Path = Path("/"),
        statvfs: Statvfs = os.statvfs,
        adopts: bool = False,
    ) -> None:
        self._aliases = aliases
        self._root = root
        self._statvfs = statvfs
        self._questions: dict[Alias, Question] = {}
        self._plain: dict[Alias, PlainCommand] = {}
        for alias in aliases:
            if question := kernel.parse(alias.command):
                self._questions[alias] = question
            elif (variables := plain.variables(alias.command)) is not None:
                patience = min(_PATIENCE, alias.timeout or DEFAULT_TIMEOUT)
                self._plain[alias] = PlainCommand(alias.command, variables, patience)
        self._sharing = dict(self._plain)
        self._breaks = Counter[Alias]()
        self._shared = SharedShell(environment(root))
        self._processes = Processes(environment(root))
        self._busy = threading.Lock()
        self._adopts = adopts and len(self._questions) + len(self._plain) < len(aliases)
        if self._adopts:
            orphans.adopt()

    def run(self, timeout: float) -> dict[Alias, Result]:
        """Run every alias once, none of them for longer than `timeout` seconds."""
        with self._busy:
            deadline = time.monotonic() + timeout
            results = {alias: self._answer(each) for alias, each in self._questions.items()}
            apart = {
                alias: self._start(alias, deadline)
                for alias in self._aliases
                if alias not in self._sharing and alias not in self._questions
            }
            results |= self._run_sharing(apart, deadline)
            results |= zip(apart, self._processes.wait([*apart.values()]), strict=True)
            if self._adopts and apart:
                orphans.sweep(self._processes.pids() | self._shared.pids())
            self._let_share_again(apart.keys() & self._plain.keys(), results)
            return {alias: results[alias] for alias in self._aliases}

    def retire(self) -> None:
        """Let a `run` under way in another thread end in peace, then end the shells."""
        with self._busy:
            self._processes.close()
            self._shared.kill()
            self._shared.end()

    def close(self) -> None:
        """Kill whatever runs. A `run` under way in another thread comes to its end first."""
        self._processes.close()
        self._shared.kill()
        with self._busy:
            self._shared.end()

    def _run_sharing(
        self, apart: dict[Alias, Running | Result], deadline: float
    ) -> dict[Alias, Result]:
        """Run what shares the shell; what breaks it is started anew among `apart`."""
        while self._sharing:
            sharing = self._sharing
            results = self._shared.run(tuple(sharing.values()), deadline)
            if len(results) == len(sharing):
                return dict(zip(sharing, results, strict=True))
            culprit = list(sharing)[len(results)]
            self._breaks[culprit] += 1
            self._sharing = {alias: each for alias, each in sharing.items() if alias != culprit}
            apart[culprit] = self._start(culprit, deadline)
        return {}

    def _let_share_again(self, apart: set[Alias], results: dict[Alias, Result]) -> None:
        well = {
            alias
            for alias in apart
            if results[alias].error is None
            and results[alias].seconds < _QUICK
            and self._breaks[alias] < _CHANCES
        }
        if well:
            self._sharing = {
                alias: each
                for alias, each in self._plain.items()
                if alias in self._sharing or alias in well
            }

    def _start(self, alias: Alias, deadline: float) -> Running | Result:
        patience = min(alias.timeout or DEFAULT_TIMEOUT, deadline - time.monotonic())
        return self._processes.start(alias.command, max(patience, 0))

    def _answer(self, question: Question) -> Result:
        started = time.monotonic()
        try:
            output = str(question.answer(self._root, self._statvfs)).encode()
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}"
            return Result(b"", problem, time.monotonic() - started)
        return Result(output, None, time.monotonic() - started)
