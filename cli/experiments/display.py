"""Progress of runs: a live display on terminals, and lines otherwise."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from cli.experiments.runner import RunProgress
from cli.experiments.seed_statistics import SeedOutcome
from cli.experiments.tables import colored_result
from cli.reservation_models import ApiReservation
from cli.tables import cell
from rack.terminal import make_console, printable

_STATE_TEXTS = {
    "waiting": "waits for its stacks",
    "preparing": "prepares the nodes",
    "steady": "waits for the steady state",
    "faults": "injects faults",
    "recovery": "waits for the recovery",
    "checking": "checks",
}


class RunDisplay:
    """Progress of the runs of one command, on standard error.

    Args:
        name: Name of the plan file.
        total: Number of runs.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, name: str, total: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._total = total
        self._clock = clock
        self._console = make_console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._outcomes: list[SeedOutcome] = []
        self._is_stopping = False
        self._state = ""
        self._state_since = clock()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the live display."""
        self._live.stop()

    def waiting(self, reservation: ApiReservation) -> None:
        """Show the place in the queue."""
        wait = reservation.wait_seconds
        estimate = "" if wait is None else f", about {max(round(wait / 60), 1)} min"
        text = f"queued: {ordinal(reservation.position or 1)}{estimate}"
        if self._show_state(text) and not self._live.is_started:
            self.line(text)

    def progress(self, progress: RunProgress) -> None:
        """Show the progress of a run."""
        run = progress.run
        text = f"run {run.id}, seed {run.seed}: {_STATE_TEXTS.get(run.state, run.state)}"
        if not progress.is_connected:
            text += "; the controller does not respond"
        self._show_state(text, _counts(progress))

    def stopping(self) -> None:
        """Show once that the run is being stopped."""
        if not self._is_stopping:
            self._is_stopping = True
            self.line("stopping the run safely; press Ctrl-C again to leave at once")

    def finished(self, outcome: SeedOutcome) -> None:
        """Show the result of a run."""
        self._outcomes.append(outcome)
        if not self._live.is_started:
            result = colored_result(outcome.result).plain
            summary = outcome.summary and f": {outcome.summary}"
            self.line(f"run {outcome.run}, seed {outcome.seed}: {result}{summary}")

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if self._live.is_started:
            self._live.console.print(Text(f"pirack: {printable(text)}"))
        else:
            click.echo(f"pirack: {printable(text)}", err=True)

    def _show_state(self, text: str, *details: str) -> bool:
        """Update the live display. Return whether the text is another than before."""
        has_changed = text != self._state
        if has_changed:
            self._state, self._state_since = text, self._clock()
        if self._live.is_started:
            self._live.update(self._render(details), refresh=True)
        return has_changed

    def _render(self, details: tuple[str, ...]) -> RenderableType:
        number = min(len(self._outcomes) + 1, self._total)
        head = Text.assemble((printable(self._name), "bold"), f": {number} of {self._total}")
        counts: dict[str, int] = {}
        for outcome in self._outcomes:
            counts[outcome.result] = counts.get(outcome.result, 0) + 1
        for result, count in counts.items():
            head.append(", ").append(f"{count} ").append_text(colored_result(result))
        seconds = self._clock() - self._state_since
        return Group(head, cell(f"{self._state}, {seconds:.0f} s"), *map(cell, details))


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `4th`."""
    tens, ones = divmod(number, 10)
    suffix = "th" if tens % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(ones, "th")
    return f"{number}{suffix}"


def _counts(progress: RunProgress) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in progress.operations.items())
