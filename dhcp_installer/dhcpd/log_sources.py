"""Where the lines of a DHCP server's log come from, behind one small interface.

A source gives the lines that are logged from the moment on in which it was made. Three servers can
be followed: one under systemd (`journald_source`), one that logs to a file (`LogFile`), and one that we
started ourselves (`ProcessLog`).
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

from dhcp_installer.errors import LogSourceError

_POLL_INTERVAL = 0.1
_STOP_TIMEOUT = 2.0
_READ_SIZE = 65536
_MAX_LINE_LENGTH = 65536  # characters; a log without line ends must not fill the memory


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


class _LineBuffer:
    """Makes lines of pieces."""

    def __init__(self) -> None:
        self._partial_line = b""

    def feed(self, chunk: bytes) -> list[str]:
        *lines, self._partial_line = (self._partial_line + chunk).split(b"\n")
        if len(self._partial_line) > _MAX_LINE_LENGTH:
            self._partial_line = b""
        return [line.decode("utf-8", "replace") for line in lines]

    def clear(self) -> None:
        self._partial_line = b""


class LogFile:
    """A log file, from its present end on; it may be rotated by renaming or by truncating.

    Truncation is seen by the file being shorter than what was read of it.

    Raises:
        LogUnreadable: there is no such file, or it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer = _LineBuffer()
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise _read_error(path, error) from error
        self._file.seek(0, os.SEEK_END)

    def read(self, timeout: float) -> Sequence[str]:
        """Return what has come; see `LogSource`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                lines = self._read_new_lines()
            except OSError as error:
                raise _read_error(self._path, error) from error
            left = deadline - time.monotonic()
            if lines or left <= 0:
                return lines
            time.sleep(min(left, _POLL_INTERVAL))

    def _read_new_lines(self) -> list[str]:
        # Looked up before the old file is read to its end, so that nothing is lost between.
        fresh = self._open_if_rotated()
        here = os.fstat(self._file.fileno())
        if here.st_size < self._file.tell():
            self._file.seek(0)
            self._buffer.clear()
        lines = self._buffer.feed(self._file.read())
        if fresh is not None:
            self._file.close()
            self._file = fresh
            self._buffer.clear()
            lines += self._buffer.feed(self._file.read())
        return lines

    def _open_if_rotated(self) -> IO[bytes] | None:
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


class ProcessLog:
    """What a program prints, errors included; it is ended when the source is left.

    Args:
        argv: the program and its arguments.
        extract_message: makes the log's line of a printed one; None where that has none.
        env: its environment; this process's where None.

    Raises:
        LogUnreadable: it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        extract_message: Callable[[str], str | None] = lambda line: line,
        env: dict[str, str] | None = None,
    ) -> None:
        self._name = argv[0]
        self._extract_message = extract_message
        self._buffer = _LineBuffer()
        self._last_output = ""
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
            )
        except OSError as error:
            raise LogSourceError(
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
            piece = os.read(self._pipe.fileno(), _READ_SIZE)
            if not piece:
                raise LogSourceError(
                    f"{self._name} ended{self._last_output and ': ' + self._last_output}:"
                    " see that the DHCP server runs, and that its log may be read"
                )
            printed = self._buffer.feed(piece)
            if printed:
                self._last_output = printed[-1][:200]
            lines = [line for each in printed if (line := self._extract_message(each)) is not None]
            if lines:
                return lines
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe.close()


def journald_source(unit: str = "isc-dhcp-server") -> ProcessLog:
    """Return what a unit of systemd's logs; there is no /var/log/syslog since Bookworm.

    Raises:
        LogUnreadable: there is no journalctl.
    """
    return ProcessLog(
        [
            "journalctl", "--follow", "--no-tail", "--since=now", "--output=json",
            f"--unit={unit}",
        ],
        extract_message=journald_message,
    )  # fmt: skip


def journald_message(line: str) -> str | None:
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


def _read_error(path: Path, error: OSError) -> LogSourceError:
    return LogSourceError(
        f"{path}: {error.strerror or error}: name the file that the DHCP server logs to,"
        " readable for this user"
    )
