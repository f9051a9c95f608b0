"""Tells what an install does: to the journal, and to whoever listens."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from dhcp_installer.journal import Journal
from dhcp_installer.progress import Report, Stage

Tell = Callable[[Report], None]


class Telling:
    """Keeps the newest report of an install, and tells it on whenever there is news.

    Args:
        journal: keeps what is said.
        number: the install's.
        tell: gets each report.
        report: what was told before; nothing where None.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        journal: Journal,
        number: int,
        tell: Tell,
        *,
        report: Report | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._number = number
        self._tell = tell
        self._clock = clock
        self.report = report or Report(clock(), Stage.CHECK)

    def say(self, text: str) -> None:
        """Tell what was just done."""
        self.report = replace(self.report, at=self._clock(), said=text)
        self._journal.tell(self._number, self.report)
        self._tell(self.report)

    def say_all(self, texts: Iterable[str]) -> None:
        """Tell several things."""
        for text in texts:
            self.say(text)

    def know(self, **fields: Any) -> None:
        """Tell that these fields of the report are other ones now, if they are."""
        after = replace(self.report, said="", **fields)
        if replace(self.report, said="") != after:
            self.report = replace(after, at=self._clock())
            self._tell(self.report)

    def reach(self, stage: Stage, **fields: Any) -> None:
        """Tell that a stage has come."""
        self.know(**({"stage": stage, "seconds_left": None} | fields))
