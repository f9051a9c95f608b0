"""A terminal, and the real command on it."""

import os
import pty
import select
import subprocess
import sysconfig
import time
from pathlib import Path

PIRACK = Path(sysconfig.get_path("scripts")) / "pirack"
BOUND_SECONDS = 30.0


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [PIRACK, *words], env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, words: str) -> None:
        """Read what is shown until these words are, or for a bounded time."""
        until = time.monotonic() + BOUND_SECONDS
        while words not in self.shown and time.monotonic() < until and self._read():
            pass
        assert words in self.shown, self.shown

    def read_all(self) -> str:
        """Return all that is shown until the command ends, which it does."""
        while self._read():
            pass
        self.process.wait(timeout=BOUND_SECONDS)
        return self.shown

    def type(self, words: str) -> None:
        """Type at the terminal."""
        os.write(self._master, words.encode())

    def _read(self) -> bool:
        """Read some of what is shown; tell whether there may be more."""
        if not select.select([self._master], [], [], BOUND_SECONDS)[0]:
            return False
        try:
            self.shown += os.read(self._master, 2**16).decode()
        except OSError:  # Linux' word for the end of a terminal
            return False
        return True

    def close(self) -> None:
        """End the command, if it has not, and the terminal."""
        self.process.kill()
        self.process.wait(timeout=BOUND_SECONDS)
        os.close(self._master)
