"""Child processes that end when their parent process ends."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 8.0


@dataclass(frozen=True)
class ProcessSpec:
    """Command line and URLs of a process.

    `ready_url` responds when the process is ready, with 401 if it requires a password. `page_url`
    is the web page, or "".
    """

    name: str
    argv: Sequence[str]
    log_file: Path
    ready_url: str
    page_url: str = ""
    extra_environment: Mapping[str, str] = field(default_factory=dict)


class ManagedProcess:
    """A child process in a separate process group.

    The kernel terminates the child when this process ends, even if this process is killed.

    Raises:
        OSError: If the program cannot be started.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        spec.log_file.parent.mkdir(parents=True, exist_ok=True)
        with spec.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *spec.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(spec.extra_environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, or None while the process is running."""
        return self._process.poll()

    @property
    def last_output(self) -> str:
        """The last lines of the log."""
        lines = self.spec.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Terminate the process. Then kill the remaining processes of its group."""
        self.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._kill_group()
            self._process.wait()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def stop_all(processes: Sequence[ManagedProcess]) -> None:
    """Stop processes in parallel."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.stop()
