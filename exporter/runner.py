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

from exporter import builtin_only, native, orphans
from exporter.aliases import Alias
from exporter.native import NativeCommand, Statvfs
from exporter.output import CommandResult
from exporter.processes import ProcessRunner, RunningCommand
from exporter.shared_shell import BuiltinOnlyCommand, SharedShell

DEFAULT_TIMEOUT = 5.0
"""Seconds that an alias may take if it has no time-out of its own."""

_SHARED_TIMEOUT = 0.2
_READMIT_SECONDS = _SHARED_TIMEOUT / 4
_MAX_FAILURES = 3


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


class CommandRunner:
    """Runs the commands of `aliases`.

    `root` is the folder that holds `sys` and `proc`; `statvfs` answers for file systems. With
    `kill_orphans` every child of this process is taken for a command's, and killed behind it.
    """

    def __init__(
        self,
        aliases: Sequence[Alias],
        *,
        root: Path = Path("/"),
        statvfs: Statvfs = os.statvfs,
        kill_orphans: bool = False,
    ) -> None:
        self._aliases = aliases
        self._root = root
        self._statvfs = statvfs
        self._native: dict[Alias, NativeCommand] = {}
        self._builtin_only: dict[Alias, BuiltinOnlyCommand] = {}
        for alias in aliases:
            if question := native.parse(alias.command):
                self._native[alias] = question
            elif (variables := builtin_only.assigned_variables(alias.command)) is not None:
                patience = min(_SHARED_TIMEOUT, alias.timeout or DEFAULT_TIMEOUT)
                self._builtin_only[alias] = BuiltinOnlyCommand(alias.command, variables, patience)
        self._in_shared_shell = dict(self._builtin_only)
        self._failures = Counter[Alias]()
        self._shared_shell = SharedShell(environment(root))
        self._processes = ProcessRunner(environment(root))
        self._run_lock = threading.Lock()
        self._kill_orphans = kill_orphans and len(self._native) + len(self._builtin_only) < len(
            aliases
        )
        if self._kill_orphans:
            orphans.become_subreaper()

    def run(self, timeout: float) -> dict[Alias, CommandResult]:
        """Run every alias once, none of them for longer than `timeout` seconds."""
        with self._run_lock:
            deadline = time.monotonic() + timeout
            results = {alias: self._run_native(each) for alias, each in self._native.items()}
            apart = {
                alias: self._start(alias, deadline)
                for alias in self._aliases
                if alias not in self._in_shared_shell and alias not in self._native
            }
            results |= self._run_shared(apart, deadline)
            results |= zip(apart, self._processes.wait([*apart.values()]), strict=True)
            if self._kill_orphans and apart:
                orphans.kill_orphans(self._processes.pids() | self._shared_shell.pids())
            self._readmit(apart.keys() & self._builtin_only.keys(), results)
            return {alias: results[alias] for alias in self._aliases}

    def drain(self) -> None:
        """Let a `run` under way in another thread end in peace, then end the shells."""
        with self._run_lock:
            self._processes.close()
            self._shared_shell.kill()
            self._shared_shell.end()

    def close(self) -> None:
        """Kill whatever runs. A `run` under way in another thread comes to its end first."""
        self._processes.close()
        self._shared_shell.kill()
        with self._run_lock:
            self._shared_shell.end()

    def _run_shared(
        self, isolated: dict[Alias, RunningCommand | CommandResult], deadline: float
    ) -> dict[Alias, CommandResult]:
        """Run what shares the shell; what breaks it is started anew among `isolated`."""
        while self._in_shared_shell:
            sharing = self._in_shared_shell
            results = self._shared_shell.run(tuple(sharing.values()), deadline)
            if len(results) == len(sharing):
                return dict(zip(sharing, results, strict=True))
            culprit = list(sharing)[len(results)]
            self._failures[culprit] += 1
            self._in_shared_shell = {
                alias: each for alias, each in sharing.items() if alias != culprit
            }
            isolated[culprit] = self._start(culprit, deadline)
        return {}

    def _readmit(self, isolated: set[Alias], results: dict[Alias, CommandResult]) -> None:
        well = {
            alias
            for alias in isolated
            if results[alias].error is None
            and results[alias].seconds < _READMIT_SECONDS
            and self._failures[alias] < _MAX_FAILURES
        }
        if well:
            self._in_shared_shell = {
                alias: each
                for alias, each in self._builtin_only.items()
                if alias in self._in_shared_shell or alias in well
            }

    def _start(self, alias: Alias, deadline: float) -> RunningCommand | CommandResult:
        patience = min(alias.timeout or DEFAULT_TIMEOUT, deadline - time.monotonic())
        return self._processes.start(alias.command, max(patience, 0))

    def _run_native(self, command: NativeCommand) -> CommandResult:
        started = time.monotonic()
        try:
            output = str(command.run(self._root, self._statvfs)).encode()
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}"
            return CommandResult(b"", problem, time.monotonic() - started)
        return CommandResult(output, None, time.monotonic() - started)
