"""Run programs that only read."""

import os
import subprocess
from collections.abc import Sequence

from controller.doctor.finding import NotCheckedError

_TIMEOUT = 30.0


def run_program(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Return the exit status and the output of a program. Both outputs are in `stdout`.

    Raises:
        NotCheckedError: If the program is missing or does not end in time.
    """
    try:
        return subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotCheckedError(
            f"`{' '.join(command)}` did not end within {_TIMEOUT:.0f} s",
            "run the command, and find out what it waits for",
        ) from error
    except OSError as error:
        raise NotCheckedError(
            f"`{command[0]}` cannot be run: {error.strerror}",
            f"install the Debian package that contains {command[0]}",
        ) from error
