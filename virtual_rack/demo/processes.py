"""Programs that run side by side for as long as somebody needs them, and never longer."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STOP_SECONDS = 8.0


@dataclass(frozen=True)
class ProcessSpec:
    """A program to be run.

    `ready_url` is the URL that answers once it serves, `page_url` the one for people, if it has any.
    """

    name: str
    argv: Sequence[str]
    log_file: Path
    ready_url: str
    page_url: str = ""
    extra_environment: Mapping[str, str] = field(default_factory=dict)


class ManagedProcess:
    """A service's process, in a process group of its own.

    The kernel ends it should this process die first, however it dies, so that no port stays taken.

    Raises:
        OSError: the program cannot be started.
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
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    @property
    def last_output(self) -> str:
        """The end of its log."""
        lines = self.spec.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def terminate(self) -> None:
        """Send SIGTERM to it."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End it and all that it started: asked first, then made to."""
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
    """End services side by side."""
    for running in processes:
        running.terminate()
    for running in processes:
        running.stop()
