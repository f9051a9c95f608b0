"""Run all builtin-only commands in one long-lived shell, without starting a process.

The shell runs all commands when it starts, and again for each line on its control pipe. A random
delimiter and the exit status end the output of each command.
"""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from exporter.output import MAX_OUTPUT_BYTES, CommandResult
from exporter.processes import SHELL, describe_exit

_CHUNK = 64 * 1024
_STDERR_TAIL_BYTES = 4096
_MEMORY_LIMIT_KIB = 64 * 1024  # address space, many times what a shell uses


@dataclass(frozen=True, slots=True)
class BuiltinOnlyCommand:
    """A builtin-only command, the variables it sets, and its timeout in seconds."""

    text: str
    variables: frozenset[str]
    timeout: float


class SharedShell:
    """Runs builtin-only commands in sequence. Only `kill` is thread-safe."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._process: _ShellProcess | None = None
        self._commands: tuple[BuiltinOnlyCommand, ...] = ()
        self._lock = threading.Lock()
        self._killed = False

    def run(self, commands: tuple[BuiltinOnlyCommand, ...], deadline: float) -> list[CommandResult]:
        """Run commands until one breaks the shell. Return the results of the commands before it.

        A command breaks the shell if the command ends the shell, times out, or prints too much.

        Args:
            commands: Commands to run.
            deadline: Time of `time.monotonic` at which every command times out.
        """
        results: list[CommandResult] = []
        try:
            process = self._trigger(commands)
            for command in commands:
                timeout = min(command.timeout, deadline - time.monotonic())
                results.append(process.wait_result(timeout))
        except (_ShellBrokenError, OSError):
            self.end()
        return results

    def pids(self) -> set[int]:
        """Return the process id of the shell, or an empty set if the shell does not run."""
        return set() if self._process is None else {self._process.pid}

    def kill(self) -> None:
        """Kill the shell and never restart it. A `run` in another thread returns at once."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def end(self) -> None:
        """Kill and reap the shell, if the shell runs."""
        with self._lock:
            if self._process is not None:
                self._process.end()
                self._process = None

    def _trigger(self, commands: tuple[BuiltinOnlyCommand, ...]) -> "_ShellProcess":
        if self._process is not None and self._commands == commands:
            self._process.trigger()
            return self._process
        self.end()
        with self._lock:
            if self._killed:
                raise _ShellBrokenError
            self._process = _ShellProcess(commands, self._environment)
            self._commands = commands
            return self._process


class _ShellBrokenError(Exception):
    """The shell exited, timed out or printed too much."""


class _ShellProcess:
    """The process of the shell and its pipes."""

    def __init__(
        self, commands: Sequence[BuiltinOnlyCommand], environment: Mapping[str, str]
    ) -> None:
        delimiter = os.urandom(16).hex()
        self._delimiter = f"\n{delimiter} ".encode()
        self._output = b""
        self._stderr_tail = b""
        script = os.memfd_create("commands")
        control, self._control = os.pipe()
        self._out, out = os.pipe()
        self._err, err = os.pipe()
        try:
            with os.fdopen(os.dup(script), "wb") as file:
                file.write(_script(commands, delimiter).encode())
            self._process = subprocess.Popen(
                [SHELL, f"/dev/fd/{script}"],
                stdin=control,
                stdout=out,
                stderr=err,
                pass_fds=(script,),
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        except OSError:
            self._close()
            raise
        finally:
            for descriptor in (script, control, out, err):
                os.close(descriptor)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)

    @property
    def pid(self) -> int:
        """Process id of the shell."""
        return self._process.pid

    def trigger(self) -> None:
        """Run all commands again."""
        os.write(self._control, b"\n")

    def wait_result(self, timeout: float) -> CommandResult:
        """Wait for the result of the next command. Raise _ShellBrokenError."""
        started = time.monotonic()
        while True:
            output, delimiter, rest = self._output.partition(self._delimiter)
            if len(output) > MAX_OUTPUT_BYTES:
                raise _ShellBrokenError
            status, newline, further = rest.partition(b"\n")
            if delimiter and newline:
                self._output = further
                error = self._describe_failure(int(status)) if status != b"0" else None
                self._stderr_tail = b""
                return CommandResult(output, error, time.monotonic() - started)
            self._read(started + timeout - time.monotonic())

    def kill(self) -> None:
        """Kill the shell. Its process id is still in use, because the shell is not yet reaped."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill and reap the shell and close the pipes."""
        self.kill()
        self._close()
        self._process.wait()

    def _read(self, timeout: float) -> None:
        events = self._poll.poll(max(timeout, 0) * 1000)
        if not events:
            raise _ShellBrokenError
        for descriptor, _ in events:
            piece = os.read(descriptor, _CHUNK)
            if not piece:
                raise _ShellBrokenError
            if descriptor == self._out:
                self._output += piece
            else:
                self._stderr_tail = (self._stderr_tail + piece)[-_STDERR_TAIL_BYTES:]

    def _describe_failure(self, status: int) -> str:
        # The shell writes stderr before the delimiter, but to another pipe.
        with suppress(_ShellBrokenError):
            self._read(0)
        return describe_exit(status, self._stderr_tail)

    def _close(self) -> None:
        for descriptor in (self._control, self._out, self._err):
            os.close(descriptor)


def _script(commands: Sequence[BuiltinOnlyCommand], delimiter: str) -> str:
    runs = [
        f"c{number}; printf '\\n{delimiter} %d\\n' $?;"
        f" unset -v _ {' '.join(sorted(command.variables))}"
        for number, command in enumerate(commands)
    ]
    # If the shell cannot parse a command, it exits before it prints the delimiter of that command.
    definitions_and_runs = [
        f"c{number}() {{\n{command.text}\n}}\n{run}"
        for number, (command, run) in enumerate(zip(commands, runs, strict=True))
    ]
    return "\n".join(
        (
            f"ulimit -v {_MEMORY_LIMIT_KIB}",
            "exec 3<&0 </dev/null",
            *definitions_and_runs,
            "while read -r _ <&3; do",
            *runs,
            "done",
            "",
        )
    )
