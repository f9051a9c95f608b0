"""Run the commands of aliases and return their results.

Builtin-only commands share a long-lived shell. All other commands run in parallel, each in its own
process group. A command that breaks the shared shell then runs in its own process group until it
succeeds quickly.
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
"""Timeout in seconds of an alias that sets none."""

_SHARED_TIMEOUT = 0.2
_READMIT_SECONDS = _SHARED_TIMEOUT / 4
_MAX_FAILURES = 3


def environment(root: Path) -> dict[str, str]:
    """Return the whole environment of a command.

    `ROOT` is the folder that contains `sys` and `proc`, or empty for `/`. `LC_ALL` sets the decimal
    point.
    """
    return {
        "ROOT": "" if root == Path("/") else str(root),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
    }


class CommandRunner:
    """Runs the commands of aliases.

    Args:
        aliases: Aliases to run.
        root: Folder with `sys` and `proc`.
        statvfs: Returns the sizes of a file system.
        kill_orphans: Whether to kill all other children of this process after each run.
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
            if command := native.parse(alias.command):
                self._native[alias] = command
            elif (variables := builtin_only.assigned_variables(alias.command)) is not None:
                timeout = min(_SHARED_TIMEOUT, alias.timeout or DEFAULT_TIMEOUT)
                self._builtin_only[alias] = BuiltinOnlyCommand(alias.command, variables, timeout)
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
        """Run every alias once, each for at most `timeout` seconds."""
        with self._run_lock:
            deadline = time.monotonic() + timeout
            results = {alias: self._run_native(each) for alias, each in self._native.items()}
            isolated = {
                alias: self._start(alias, deadline)
                for alias in self._aliases
                if alias not in self._in_shared_shell and alias not in self._native
            }
            results |= self._run_shared(isolated, deadline)
            results |= zip(isolated, self._processes.wait([*isolated.values()]), strict=True)
            if self._kill_orphans and isolated:
                orphans.kill_orphans(self._processes.pids() | self._shared_shell.pids())
            self._readmit(isolated.keys() & self._builtin_only.keys(), results)
            return {alias: results[alias] for alias in self._aliases}

    def drain(self) -> None:
        """Wait for a `run` in another thread, then end the shells."""
        with self._run_lock:
            self._processes.close()
            self._processes.reap()
            self._shared_shell.kill()
            self._shared_shell.end()

    def close(self) -> None:
        """Kill all commands, wait for a `run` in another thread, and end the shells."""
        self._processes.close()
        self._shared_shell.kill()
        with self._run_lock:
            self._processes.reap()
            self._shared_shell.end()

    def _run_shared(
        self, isolated: dict[Alias, RunningCommand | CommandResult], deadline: float
    ) -> dict[Alias, CommandResult]:
        """Run the commands of the shared shell. Move commands that break it to `isolated`."""
        while self._in_shared_shell:
            shared = self._in_shared_shell
            results = self._shared_shell.run(tuple(shared.values()), deadline)
            if len(results) == len(shared):
                return dict(zip(shared, results, strict=True))
            culprit = list(shared)[len(results)]
            self._failures[culprit] += 1
            self._in_shared_shell = {
                alias: each for alias, each in shared.items() if alias != culprit
            }
            isolated[culprit] = self._start(culprit, deadline)
        return {}

    def _readmit(self, isolated: set[Alias], results: dict[Alias, CommandResult]) -> None:
        recovered = {
            alias
            for alias in isolated
            if results[alias].error is None
            and results[alias].seconds < _READMIT_SECONDS
            and self._failures[alias] < _MAX_FAILURES
        }
        if recovered:
            self._in_shared_shell = {
                alias: each
                for alias, each in self._builtin_only.items()
                if alias in self._in_shared_shell or alias in recovered
            }

    def _start(self, alias: Alias, deadline: float) -> RunningCommand | CommandResult:
        timeout = min(alias.timeout or DEFAULT_TIMEOUT, deadline - time.monotonic())
        return self._processes.start(alias.command, max(timeout, 0))

    def _run_native(self, command: NativeCommand) -> CommandResult:
        started = time.monotonic()
        try:
            output = str(command.run(self._root, self._statvfs)).encode()
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}"
            return CommandResult(b"", problem, time.monotonic() - started)
        return CommandResult(output, None, time.monotonic() - started)
