"""Run commands in parallel, each in its own shell and process group.

A command is done when its shell exits or its timeout expires. Then the rest of its process group is
killed, so that no process holds the output open or uses the CPU.
"""

import os
import re
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from exporter.output import MAX_OUTPUT_BYTES, CommandResult

SHELL = "/bin/sh"

_CHUNK = 16 * 1024
_STDERR_TAIL_BYTES = 4096
_REAP_TIMEOUT_MS = 100  # expected time for a killed process to exit
_LAST_REAP_TIMEOUT = 10.0  # seconds, on a busy machine
# Prefix of a shell's error message, for example `/bin/sh: 1: ` or `/dev/fd/5: 12: `.
_SHELL_LOCATION = re.compile(r"(?:/bin/sh|/dev/fd/\d+): \d+: ")


def describe_exit(status: int, stderr_tail: bytes) -> str:
    """Describe a shell's exit status or a `Popen.returncode` in one line."""
    reason = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    message = stderr_tail.decode(errors="replace").strip().rpartition("\n")[2]
    return f"{reason}: {_SHELL_LOCATION.sub('', message)}" if message else reason


class RunningCommand:
    """A command that runs in its own shell.

    Args:
        command: Shell command.
        environment: The whole environment of the command.
        timeout: Seconds until the command is killed.

    Raises:
        OSError: If the shell cannot be started.
    """

    def __init__(self, command: str, environment: Mapping[str, str], timeout: float) -> None:
        self._timeout = timeout
        self._started = time.monotonic()
        self.deadline = self._started + timeout
        self.process = subprocess.Popen(
            [SHELL, "-c", command],
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        self._pidfd = os.pidfd_open(self.process.pid)
        self._has_exited = False
        self._output = b""
        self._stderr_tail = b""
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)

    def register(self, selector: selectors.BaseSelector) -> None:
        """Register the pipes and the process, so that the caller can `read` when they are ready."""
        selector.register(self._pidfd, selectors.EVENT_READ, self)
        for pipe in self._pipes():
            selector.register(pipe, selectors.EVENT_READ, self)

    def read(self, source: int | IO[bytes], selector: selectors.BaseSelector) -> None:
        """Handle a ready source: the exit of the shell, or data in one of its pipes."""
        if isinstance(source, int):
            self._has_exited = True
        elif self._read_pipe(source) == b"":
            selector.unregister(source)
            source.close()

    def is_done(self, now: float) -> bool:
        """Return whether the command exited, timed out or printed too much."""
        return self._has_exited or now >= self.deadline or len(self._output) > MAX_OUTPUT_BYTES

    def kill(self) -> None:
        """Kill the process group. Its id is still in use, because the leader is not yet reaped."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def finish(self, selector: selectors.BaseSelector) -> CommandResult:
        """Kill the process group, read the rest of the output, and return the result."""
        seconds = time.monotonic() - self._started
        self.kill()
        selector.unregister(self._pidfd)
        for pipe in self._pipes():
            while len(self._output) <= MAX_OUTPUT_BYTES and self._read_pipe(pipe):
                pass
            selector.unregister(pipe)
            pipe.close()
        exit_poll = select.poll()
        exit_poll.register(self._pidfd, select.POLLIN)
        exit_poll.poll(_REAP_TIMEOUT_MS)
        os.close(self._pidfd)
        self.process.poll()
        return CommandResult(self._output, self._error(), seconds)

    def _pipes(self) -> list[IO[bytes]]:
        pipes = (self.process.stdout, self.process.stderr)
        return [pipe for pipe in pipes if pipe and not pipe.closed]

    def _read_pipe(self, pipe: IO[bytes]) -> bytes | None:
        piece: bytes | None = pipe.read(_CHUNK)
        if piece and pipe is self.process.stdout:
            self._output += piece
        elif piece:
            self._stderr_tail = (self._stderr_tail + piece)[-_STDERR_TAIL_BYTES:]
        return piece

    def _error(self) -> str | None:
        if len(self._output) > MAX_OUTPUT_BYTES:
            return f"more than {MAX_OUTPUT_BYTES} bytes of output"
        if not self._has_exited:
            return f"took longer than {self._timeout:g} s"
        if self.process.returncode == 0:
            return None
        return describe_exit(self.process.returncode or 0, self._stderr_tail)


class ProcessRunner:
    """Starts commands and ensures that all of them end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._running: set[RunningCommand] = set()
        self._unreaped: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._closed = False

    def start(self, command: str, timeout: float) -> RunningCommand | CommandResult:
        """Start a command. If that fails, return a result with the error."""
        with self._lock:
            if self._closed:
                return CommandResult(b"", "the exporter is stopping", 0)
            try:
                running = RunningCommand(command, self._environment, timeout)
            except OSError as error:
                return CommandResult(b"", f"cannot be started: {error.strerror}", 0)
            self._running.add(running)
            return running

    def wait(self, commands: Sequence[RunningCommand | CommandResult]) -> list[CommandResult]:
        """Wait for all commands and return their results in the order of `commands`."""
        unfinished = {each for each in commands if isinstance(each, RunningCommand)}
        if not unfinished:
            return [each for each in commands if isinstance(each, CommandResult)]
        results: dict[RunningCommand, CommandResult] = {}
        with selectors.DefaultSelector() as selector:
            for running in unfinished:
                running.register(selector)
            while unfinished:
                remaining = min(running.deadline for running in unfinished) - time.monotonic()
                for key, _ in selector.select(max(remaining, 0)):
                    key.data.read(key.fileobj, selector)
                now = time.monotonic()
                for running in [each for each in unfinished if each.is_done(now)]:
                    unfinished.discard(running)
                    results[running] = self._finish(running, selector)
        return [results[each] if isinstance(each, RunningCommand) else each for each in commands]

    def pids(self) -> set[int]:
        """Return the ids of running processes and of killed processes that have not exited yet."""
        with self._lock:
            processes = [running.process for running in self._running] + self._unreaped
            return {process.pid for process in processes}

    def close(self) -> None:
        """Kill all commands. A `wait` in another thread returns at once."""
        with self._lock:
            self._closed = True
            for running in self._running:
                running.kill()

    def reap(self) -> None:
        """Wait for killed processes to exit, when no `wait` runs in another thread.

        A process in an uninterruptible system call is left after 10 seconds.
        """
        deadline = time.monotonic() + _LAST_REAP_TIMEOUT
        with self._lock:
            for process in self._unreaped:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0))

    def _finish(self, running: RunningCommand, selector: selectors.BaseSelector) -> CommandResult:
        with self._lock:
            self._running.discard(running)
            self._unreaped = [process for process in self._unreaped if process.poll() is None]
            result = running.finish(selector)
            if running.process.returncode is None:
                self._unreaped.append(running.process)
            return result
