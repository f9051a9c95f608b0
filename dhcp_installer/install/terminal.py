"""How an install looks in a terminal: its steps, and under them how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dhcp_installer.install.progress import ProgressReport


class ProgressView(Protocol):
    """Shows reports."""

    def update(self, report: ProgressReport) -> None:
        """Show one."""


class PlainProgress:
    """A line for each step, where there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def update(self, report: ProgressReport) -> None:
        """Print what was done; see `ProgressView`."""
        if report.message:
            self._stream.write(f"{_format_time(report)} {report.message}\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()


class LiveProgress:
    def __init__(self, live: Live) -> None:
        self._live = live

    def update(self, report: ProgressReport) -> None:
        """Print what was done above, and how far it is below; see `ProgressView`."""
        if report.message:
            self._live.console.print(Text(f"{_format_time(report)} {report.message}"))
        self._live.update(Text(format_progress(report), style="bold"))


@contextmanager
def live_progress() -> Iterator[ProgressView]:
    """Show steps, and a line below them that changes."""
    with Live(console=Console(highlight=False), transient=True) as shown:
        yield LiveProgress(shown)


def format_progress(report: ProgressReport) -> str:
    """Return in one line how far an install is."""
    parts = [str(report.stage)]
    if report.stacks_total:
        parts.append(f"{report.stacks_done} of {report.stacks_total} stacks")
    if report.rasps_total:
        parts.append(f"{report.rasps_found} of {report.rasps_total} rasps")
    if report.seconds_left is not None:
        minutes, seconds = divmod(round(report.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02} left at most")
    return ", ".join(parts)


def _format_time(report: ProgressReport) -> str:
    return datetime.fromtimestamp(report.time).strftime("%H:%M:%S")
