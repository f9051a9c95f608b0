"""Verdicts of checks that run on the user's machine."""

import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cli.experiments.duties import STOP_SECONDS, ClientStatus
from cli.experiments.user_process import UserProcess, describe_exit, last_line

_MAX_CHECK_SECONDS = 900.0

VerdictResult = Literal["ok", "lost", "failed", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """Result of a check, a line about it, and its numbers."""

    result: VerdictResult
    summary: str = ""
    statistics: Mapping[str, Any] = field(default_factory=dict)


class RunningCheck(Protocol):
    """A check that runs."""

    def poll(self) -> Verdict | None:
        """Return the verdict, or None while the check runs."""

    def close(self) -> None:
        """End the check."""


class FinishedCheck:
    """A check without work."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    def poll(self) -> Verdict | None:
        """Return the verdict."""
        return self._verdict

    def close(self) -> None:
        """Do nothing."""


class CommandCheck:
    """A command whose exit status is the verdict: 0 is `ok`.

    Args:
        process: The running command.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, process: UserProcess, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._process = process
        self._clock = clock
        self._ends_at = clock() + _MAX_CHECK_SECONDS

    def poll(self) -> Verdict | None:
        """Return the verdict, or None while the command runs."""
        status = self._process.poll()
        if status is None:
            if self._clock() < self._ends_at:
                return None
            self._process.kill()
            return Verdict("unknown", f"the check took more than {_MAX_CHECK_SECONDS:.0f} s")
        line = last_line(self._process.stdout_file) or last_line(self._process.stderr_file)
        if status == 0:
            return Verdict("ok", line)
        summary = f"{describe_exit(status)} of the check{line and f': {line}'}"
        return Verdict("failed" if status > 0 else "unknown", summary)

    def close(self) -> None:
        """Kill the command."""
        self._process.kill()


class ThreadCheck:
    """A check in a thread, so that the lease is renewed while it computes."""

    def __init__(self, check: Callable[[], Verdict]) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="check")
        self._future: Future[Verdict] = self._executor.submit(check)

    def poll(self) -> Verdict | None:
        """Return the verdict, or None while the check computes. Raise its error."""
        return self._future.result() if self._future.done() else None

    def close(self) -> None:
        """Wait for the end of the thread, which is bounded by the size of the history."""
        self._executor.shutdown(cancel_futures=True)


def client_problem(client: ClientStatus, error: str, stderr_line: str) -> str:
    """Return why the history of a client cannot be checked, or an empty text.

    Args:
        client: State of the client after its end.
        error: Why it could not be started, or an empty text.
        stderr_line: Last line of its errors.
    """
    if error:
        return error
    if not client.is_started:
        return "the client was not started, because the run ended before its faults"
    if client.has_crashed:
        line = stderr_line and f": {stderr_line}"
        return f"the client crashed, {describe_exit(client.exit_status or 0)}{line}"
    if client.exit_status == -signal.SIGKILL:
        return f"the client ignored SIGTERM for {STOP_SECONDS:.0f} s and was killed"
    return ""
