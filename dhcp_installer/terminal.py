"""How an install looks in a terminal: its steps, and under them how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dhcp_installer.progress import Report


class Shown(Protocol):
    """Shows reports."""

    def tell(self, report: Report) -> None:
        """Show one."""


class Lines:
    """A line for each step, where there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tell(self, report: Report) -> None:
        """Print what was done; see `Shown`."""
        if report.said:
            self._stream.write(f"{_time(report)} {report.said}\n")
            self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()


class _Steps:
    def __init__(self, live: Live) -> None:
        self._live = live

    def tell(self, report: Report) -> None:
        """Print what was done above, and how far it is below; see `Shown`."""
        if report.said:
            self._live.console.print(Text(f"{_time(report)} {report.said}"))
        self._live.update(Text(how_far(report), style="bold"))


@contextmanager
def live() -> Iterator[Shown]:
    """Show steps, and a line below them that changes."""
    with Live(console=Console(highlight=False), transient=True) as shown:
        yield _Steps(shown)


def how_far(report: Report) -> str:
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


def _time(report: Report) -> str:
    return datetime.fromtimestamp(report.at).strftime("%H:%M:%S")
