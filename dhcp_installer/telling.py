"""Tells what an install does: to the journal, and to whoever listens."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from dhcp_installer.install.journal import Journal
from dhcp_installer.install.progress import ProgressReport, Stage

ProgressCallback = Callable[[ProgressReport], None]


class ProgressReporter:
    """Keeps the newest report of an install, and tells it on whenever there is news.

    Args:
        journal: keeps what is said.
        install_id: the install's.
        on_progress: gets each report.
        report: what was told before; nothing where None.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        journal: Journal,
        install_id: int,
        on_progress: ProgressCallback,
        *,
        report: ProgressReport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._install_id = install_id
        self._on_progress = on_progress
        self._clock = clock
        self.report = report or ProgressReport(clock(), Stage.CHECK)

    def log_step(self, text: str) -> None:
        """Tell what was just done."""
        self.report = replace(self.report, time=self._clock(), message=text)
        self._journal.save_progress(self._install_id, self.report)
        self._on_progress(self.report)

    def log_steps(self, texts: Iterable[str]) -> None:
        """Tell several things."""
        for text in texts:
            self.log_step(text)

    def update(self, **fields: Any) -> None:
        """Tell that these fields of the report are other ones now, if they are."""
        after = replace(self.report, message="", **fields)
        if replace(self.report, message="") != after:
            self.report = replace(after, time=self._clock())
            self._on_progress(self.report)

    def enter_stage(self, stage: Stage, **fields: Any) -> None:
        """Tell that a stage has come."""
        self.update(**({"stage": stage, "seconds_left": None} | fields))
