"""Log sources: systemd's journal, a log file, or the output of a process.

A source returns the lines that are logged after its creation.
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
_MAX_LINE_LENGTH = 65536  # characters; limits the memory usage
_MAX_LINES = 10_000  # per call; limits the memory usage


class LogSource(Protocol):
    """A log whose new lines can be read. The log is closed at the end of a `with` block."""

    @property
    def name(self) -> str:
        """Name of the log in error messages."""

    def read(self, timeout: float) -> Sequence[str]:
        """Return new lines without line ends, or no lines after `timeout` seconds.

        The result contains all complete lines that could be read when the call started.

        Raises:
            LogSourceError: If the log can no longer be read.
        """

    def __enter__(self) -> Self:
        """Return the source."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the log."""


class _LineBuffer:
    """Splits chunks of bytes into lines."""

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
    """A log file, read from its current end. It can be rotated by renaming or truncating.

    Raises:
        LogSourceError: If the file does not exist or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._buffer = _LineBuffer()
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise _read_error(path, error) from error
        self._file.seek(0, os.SEEK_END)

    def read(self, timeout: float) -> Sequence[str]:
        """Return new lines, see `LogSource.read`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                lines = self._read_new_lines()
            except OSError as error:
                raise _read_error(self._path, error) from error
            remaining = deadline - time.monotonic()
            if lines or remaining <= 0:
                return lines
            time.sleep(min(remaining, _POLL_INTERVAL))

    def _read_new_lines(self) -> list[str]:
        # Open the new file before the old file is read to its end, so that no line is lost.
        new_file = self._open_if_rotated()
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # truncated
            self._file.seek(0)
            self._buffer.clear()
        lines = self._buffer.feed(self._file.read())
        if new_file is not None:
            self._file.close()
            self._file = new_file
            self._buffer.clear()
            lines += self._buffer.feed(self._file.read())
        return lines

    def _open_if_rotated(self) -> IO[bytes] | None:
        """Open the new file at the path if the log was renamed."""
        try:
            if os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
                return None
            return self._path.open("rb")
        except FileNotFoundError:  # the new file does not exist yet
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class ProcessLog:
    """The output of a process, which is terminated when the source is closed.

    Args:
        argv: Program and arguments.
        name: Name of the log in error messages. The default is the name of the program.
        extract_message: Returns the log line in a line of output, or None.
        env: Environment of the process. The default is the environment of this process.

    Raises:
        LogSourceError: If the process cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str = "",
        extract_message: Callable[[str], str | None] = lambda line: line,
        env: dict[str, str] | None = None,
    ) -> None:
        self.name = name or argv[0]
        self._program = argv[0]
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
                f"{self._program}: {error.strerror}: install it, or use a log file"
            ) from error
        self._pipe = cast(IO[bytes], self._process.stdout)
        os.set_blocking(self._pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """Process id of the program."""
        return self._process.pid

    def read(self, timeout: float) -> Sequence[str]:
        """Return new lines, see `LogSource.read`."""
        deadline = time.monotonic() + timeout
        lines: list[str] = []
        while self._selector.select(0 if lines else max(0.0, deadline - time.monotonic())):
            chunk = os.read(self._pipe.fileno(), _READ_SIZE)
            if not chunk and lines:
                break
            if not chunk:
                raise LogSourceError(
                    f"{self._program} ended{self._last_output and ': ' + self._last_output}:"
                    " check that the DHCP server runs and that this user can read its log"
                )
            output = self._buffer.feed(chunk)
            if output:
                self._last_output = output[-1][:200]
            lines += [
                message for line in output if (message := self._extract_message(line)) is not None
            ]
            if len(lines) > _MAX_LINES:
                break
        return lines

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
    """Return the journal of a systemd unit, from this call on, even if journalctl starts late.

    Raspberry Pi OS Bookworm and newer have no /var/log/syslog.

    Raises:
        LogSourceError: If journalctl is not installed.
    """
    return ProcessLog(
        [
            "journalctl", "--follow", "--no-tail", f"--since=@{time.time():.6f}",
            "--output=json", f"--unit={unit}",
        ],
        name=f"the journal of {unit}",
        extract_message=journald_message,
    )  # fmt: skip


def journald_message(line: str) -> str | None:
    """Return the message in a line of `journalctl --output=json`, or None.

    A message that is not UTF-8 is an array of byte values, and a very long message is null
    (docs/JOURNAL_EXPORT_FORMATS.md of systemd).
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match entry:
        case {"MESSAGE": str(message)}:
            return message
        case {"MESSAGE": [*values]}:
            try:
                return bytes(values).decode("utf-8", "replace")
            except (TypeError, ValueError):
                return None
        case _:
            return None


def _read_error(path: Path, error: OSError) -> LogSourceError:
    return LogSourceError(
        f"{path}: {error.strerror or error}: specify the log file of the DHCP server,"
        " which this user must be able to read"
    )
