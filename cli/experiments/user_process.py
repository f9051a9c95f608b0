"""A process of a plan's command, in its own process group, with bounded ends."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cli.experiments.user_command import UserCommandError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_MAX_READ_BYTES = 64 * 2**10
_MAX_LINE_CHARS = 200
_REAP_SECONDS = 5.0


class UserProcess:
    """A running command. Its processes get SIGTERM if `pirack` is killed.

    Args:
        arguments: The program and its arguments.
        folder: Folder in which it runs.
        output: Path of the files of its output, without their suffixes `.stdout` and `.stderr`.
        environment: Additional variables of its environment.
        clock: Returns monotonic seconds.

    Raises:
        UserCommandError: If the program cannot be started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._stopped_at: float | None = None
        self.stdout_file = output.with_name(f"{output.name}.stdout")
        self.stderr_file = output.with_name(f"{output.name}.stderr")
        try:
            with self.stdout_file.open("wb") as stdout, self.stderr_file.open("wb") as stderr:
                self._process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    process_group=0,
                    preexec_fn=_end_with_parent(),  # noqa: PLW1509 - it only calls prctl(2)
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserCommandError(f"{arguments[0]} cannot be started: {reason}") from error

    @property
    def stopping_seconds(self) -> float | None:
        """Seconds since `stop`, or None."""
        return None if self._stopped_at is None else self._clock() - self._stopped_at

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs.

        When the process has ended, processes that it left in its group are killed.
        """
        status = self._process.poll()
        if status is not None:
            self._signal(signal.SIGKILL)
        return status

    def stop(self) -> None:
        """Send SIGTERM to the processes of the command."""
        if self._stopped_at is None:
            self._stopped_at = self._clock()
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the processes of the command, and wait for their end."""
        self._signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a process that waits for a device
            self._process.wait(_REAP_SECONDS)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the group has no process any more
            os.killpg(self._process.pid, number)


def describe_exit(status: int) -> str:
    """Describe an exit status as `subprocess` returns it."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-status).name}"
    return f"ended by signal {-status}"


def last_line(file: Path) -> str:
    """Return the last line of a file that is not empty, shortened, or an empty text."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - _MAX_READ_BYTES, 0))
        text = stream.read(_MAX_READ_BYTES).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_MAX_LINE_CHARS] if lines else ""


def _end_with_parent() -> Callable[[], object] | None:
    """Return a function for the new process that requests SIGTERM at the end of its parent."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # loaded here, because the new process must not allocate
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
