"""Run `pirack` on a pseudo-terminal."""

import os
import pty
import select
import sysconfig
import time
from pathlib import Path

from tests.helpers.forked_program import ForkedProgram
from tests.helpers.waiting import TIMEOUT_SECONDS

PIRACK = Path(sysconfig.get_path("scripts")) / "pirack"


class Terminal:
    """A `pirack` process on a pseudo-terminal."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.process = ForkedProgram(
            "cli", arguments, environment=environment, descriptors=(slave, slave, slave)
        )
        os.close(slave)
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read the output until it contains a text."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while text not in self.output and time.monotonic() < deadline and self._read():
            pass
        assert text in self.output, self.output

    def read_all(self) -> str:
        """Return the whole output when the command has exited."""
        while self._read():
            pass
        self.process.wait(timeout=TIMEOUT_SECONDS)
        return self.output

    def type(self, text: str) -> None:
        """Send input."""
        os.write(self._master, text.encode())

    def _read(self) -> bool:
        """Read some output. Return False at its end."""
        if not select.select([self._master], [], [], TIMEOUT_SECONDS)[0]:
            return False
        try:
            self.output += os.read(self._master, 2**16).decode()
        except OSError:  # Linux reports the end of a terminal as an error
            return False
        return True

    def close(self) -> None:
        """Kill the command and close the terminal."""
        self.process.kill()
        self.process.wait(timeout=TIMEOUT_SECONDS)
        os.close(self._master)
