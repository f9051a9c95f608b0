"""Where the lines of a DHCP server's log come from, behind one small interface.

A source gives the lines that are logged from the moment on in which it was made. Three servers can
be followed: one under systemd (`journal`), one that logs to a file (`LogFile`), and one that we
started ourselves (`ProgramLog`).
"""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self, cast

from dhcp_installer.errors import LogUnreadable

_POLL_SECONDS = 0.1
_STOP_SECONDS = 2.0
_PIECE = 65536
_LONGEST_LINE = 65536  # characters; a log without line ends must not fill the memory


class LogSource(Protocol):
    """Gives lines as they are logged. A context manager: leaving it lets go of everything."""

    def read(self, timeout: float) -> Sequence[str]:
        """Return the lines that have come, without their ends; none when `timeout` s are over.

        Raises:
            LogUnreadable: no more lines will come.
        """

    def __enter__(self) -> Self:
        """Return the source itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the log."""


class _Lines:
    """Makes lines of pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[str]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        return [line.decode("utf-8", "replace") for line in lines]

    def forget(self) -> None:
        self._rest = b""


class LogFile:
    """A log file, from its present end on; it may be rotated by renaming or by truncating.

    Truncation is seen by the file being shorter than what was read of it.

    Raises:
        LogUnreadable: there is no such file, or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = _Lines()
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise _unreadable(path, error) from error
        self._file.seek(0, os.SEEK_END)

    def read(self, timeout: float) -> Sequence[str]:
        """Return what has come; see `LogSource`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                lines = self._read_on()
            except OSError as error:
                raise _unreadable(self._path, error) from error
            left = deadline - time.monotonic()
            if lines or left <= 0:
                return lines
            time.sleep(min(left, _POLL_SECONDS))

    def _read_on(self) -> list[str]:
        # Looked up before the old file is read to its end, so that nothing is lost between.
        fresh = self._successor()
        here = os.fstat(self._file.fileno())
        if here.st_size < self._file.tell():
            self._file.seek(0)
            self._lines.forget()
        lines = self._lines.feed(self._file.read())
        if fresh is not None:
            self._file.close()
            self._file = fresh
            self._lines.forget()
            lines += self._lines.feed(self._file.read())
        return lines

    def _successor(self) -> IO[bytes] | None:
        """Return the file that has taken this one's name, if one has."""
        here = os.fstat(self._file.fileno())
        try:
            there = self._path.stat()
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                return None
            return self._path.open("rb")
        except FileNotFoundError:  # renamed, and the new one is not there yet
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class ProgramLog:
    """What a program prints, errors included; it is ended when the source is left.

    Args:
        argv: the program and its arguments.
        message: makes the log's line of a printed one; None where that has none.
        env: its environment; this process's where None.

    Raises:
        LogUnreadable: it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        message: Callable[[str], str | None] = lambda line: line,
        env: dict[str, str] | None = None,
    ) -> None:
        self._name = argv[0]
        self._message = message
        self._lines = _Lines()
        self._last_words = ""
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
            )
        except OSError as error:
            raise LogUnreadable(
                f"{self._name}: {error.strerror}: install it, or name a log file instead"
            ) from error
        self._pipe = cast(IO[bytes], self._process.stdout)
        os.set_blocking(self._pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """The program's process."""
        return self._process.pid

    def read(self, timeout: float) -> Sequence[str]:
        """Return what has come; see `LogSource`."""
        deadline = time.monotonic() + timeout
        while self._selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(self._pipe.fileno(), _PIECE)
            if not piece:
                raise LogUnreadable(
                    f"{self._name} ended{self._last_words and ': ' + self._last_words}:"
                    " see that the DHCP server runs, and that its log may be read"
                )
            printed = self._lines.feed(piece)
            if printed:
                self._last_words = printed[-1][:200]
            lines = [line for each in printed if (line := self._message(each)) is not None]
            if lines:
                return lines
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe.close()


def journal(unit: str = "isc-dhcp-server") -> ProgramLog:
    """Return what a unit of systemd's logs; there is no /var/log/syslog since Bookworm.

    Raises:
        LogUnreadable: there is no journalctl.
    """
    return ProgramLog(
        [
            "journalctl", "--follow", "--no-tail", "--since=now", "--output=json",
            f"--unit={unit}",
        ],
        message=journal_message,
    )  # fmt: skip


def journal_message(line: str) -> str | None:
    """Return the message of an entry as `journalctl --output=json` prints it; None without one.

    A message that is not UTF-8 is printed as its bytes' numbers, a very long one as null
    (systemd's docs/JOURNAL_EXPORT_FORMATS.md).
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match entry:
        case {"MESSAGE": str(message)}:
            return message
        case {"MESSAGE": [*numbers]}:
            try:
                return bytes(numbers).decode("utf-8", "replace")
            except (TypeError, ValueError):
                return None
        case _:
            return None


def _unreadable(path: Path, error: OSError) -> LogUnreadable:
    return LogUnreadable(
        f"{path}: {error.strerror or error}: name the file that the DHCP server logs to,"
        " readable for this user"
    )
