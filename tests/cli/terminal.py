"""A terminal, and the real command on it."""

import os
import pty
import select
import subprocess
import sysconfig
import time
from pathlib import Path

PIRACK = Path(sysconfig.get_path("scripts")) / "pirack"
TIMEOUT = 30.0


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [PIRACK, *arguments], env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read what is shown until these words are, or for a bounded time."""
        until = time.monotonic() + TIMEOUT
        while text not in self.output and time.monotonic() < until and self._read():
            pass
        assert text in self.output, self.output

    def read_all(self) -> str:
        """Return all that is shown until the command ends, which it does."""
        while self._read():
            pass
        self.process.wait(timeout=TIMEOUT)
        return self.output

    def type(self, text: str) -> None:
        """Type at the terminal."""
        os.write(self._master, text.encode())

    def _read(self) -> bool:
        """Read some of what is shown; tell whether there may be more."""
        if not select.select([self._master], [], [], TIMEOUT)[0]:
            return False
        try:
            self.output += os.read(self._master, 2**16).decode()
        except OSError:  # Linux' word for the end of a terminal
            return False
        return True

    def close(self) -> None:
        """End the command, if it has not, and the terminal."""
        self.process.kill()
        self.process.wait(timeout=TIMEOUT)
        os.close(self._master)
