"""Run `pirack` on a pseudo-terminal."""

import os
import pty
import select
import signal
import sysconfig
import termios
import time
from pathlib import Path
from typing import Any

from tests.helpers.forked_program import ForkedProgram
from tests.helpers.waiting import TIMEOUT_SECONDS

PIRACK = Path(sysconfig.get_path("scripts")) / "pirack"


class Terminal:
    """A `pirack` process on a pseudo-terminal.

    Args:
        arguments: Command line after `pirack`.
        environment: All environment variables.
        size: Columns and lines of the terminal.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        environment: dict[str, str],
        size: tuple[int, int] = (0, 0),
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, size[::-1])
        self.initial_modes = self.modes
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

    @property
    def modes(self) -> list[Any]:
        """Attributes of the terminal, see termios(3)."""
        return termios.tcgetattr(self._master)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal, and notify the command as the kernel does."""
        termios.tcsetwinsize(self._master, (lines, columns))
        self.process.send_signal(signal.SIGWINCH)

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
