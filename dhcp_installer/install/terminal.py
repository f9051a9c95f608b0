"""Progress of an install on a terminal or in a log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dhcp_installer.install.progress import ProgressReport


class ProgressView(Protocol):
    """A display of progress reports."""

    def update(self, report: ProgressReport) -> None:
        """Display a report."""


class PlainProgress:
    """One line for each completed step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def update(self, report: ProgressReport) -> None:
        """Print the completed step of a report."""
        if report.message:
            self._stream.write(f"{_format_time(report)} {report.message}\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()


class LiveProgress:
    """One line for each completed step, above a line with the current progress."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def update(self, report: ProgressReport) -> None:
        """Print the completed step of a report and update the progress line."""
        if report.message:
            self._live.console.print(Text(f"{_format_time(report)} {report.message}"))
        line = Text(format_progress(report), style="bold")
        self._live.update(line, refresh=bool(report.message))


@contextmanager
def live_progress() -> Iterator[ProgressView]:
    """Display live progress on the terminal until the block ends."""
    with Live(console=Console(highlight=False), transient=True) as live:
        yield LiveProgress(live)


def format_progress(report: ProgressReport) -> str:
    """Return the progress of an install in one line."""
    parts = [str(report.stage)]
    if report.stacks_total:
        parts.append(f"{report.stacks_done} of {report.stacks_total} stacks")
    if report.rasps_total:
        parts.append(f"{report.rasps_found} of {report.rasps_total} rasps")
    if report.seconds_left is not None:
        minutes, seconds = divmod(round(report.seconds_left), 60)
        parts.append(f"at most {minutes}:{seconds:02} left")
    return ", ".join(parts)


def _format_time(report: ProgressReport) -> str:
    return datetime.fromtimestamp(report.time).strftime("%H:%M:%S")
