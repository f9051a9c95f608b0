"""The client of a run: the program that loads the nodes and writes the history."""

import time
from collections.abc import Callable
from pathlib import Path

from cli.experiments.duties import ClientStatus
from cli.experiments.user_command import UserCommandError
from cli.experiments.user_process import UserProcess, last_line
from cli.experiments.verdict import client_problem

START_VARIABLE = "PIRACK_START_NS"
"""Variable with the monotonic clock at the start of the client, in nanoseconds."""

_OUTPUT = "client"
_NANOSECONDS = 10**9
_CANNOT_START_STATUS = 127  # of shells


class LoadClient:
    """The client of a run, which is started once.

    Args:
        arguments: Its program and arguments.
        folder: Folder in which it runs.
        output_folder: Folder for its output.
        clock_ns: Returns monotonic nanoseconds.

    Attributes:
        started_at: Monotonic seconds at its start, which is time 0 of the history.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        output_folder: Path,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._arguments = arguments
        self._folder = folder
        self._output_folder = output_folder
        self._clock_ns = clock_ns
        self._process: UserProcess | None = None
        self._start_error = ""
        self.started_at = 0.0

    @property
    def status(self) -> ClientStatus:
        """State of the process."""
        if self._start_error:
            return ClientStatus(is_started=True, exit_status=_CANNOT_START_STATUS)
        if self._process is None:
            return ClientStatus()
        return ClientStatus(
            is_started=True,
            exit_status=self._process.poll(),
            stopping_seconds=self._process.stopping_seconds,
        )

    @property
    def problem(self) -> str:
        """Why the history cannot be checked, or an empty text."""
        line = last_line(self._process.stderr_file) if self._process else ""
        return client_problem(self.status, self._start_error, line)

    def start(self) -> None:
        """Start the process. An error is a problem of the client."""
        started_ns = self._clock_ns()
        self.started_at = started_ns / _NANOSECONDS
        variables = {START_VARIABLE: str(started_ns)}
        output = self._output_folder / _OUTPUT
        try:
            self._process = UserProcess(self._arguments, self._folder, output, variables)
        except UserCommandError as error:
            self._start_error = f"client: {error}"

    def stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
