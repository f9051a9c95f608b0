"""Record a run: its current version, and its events."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from controller.experiments.model import EventKind, Run, RunEvent, RunState, RunVerdict
from controller.experiments.store import RunStore
from rack.clock import Moment
from rack.errors import DatabaseError

_log = logging.getLogger(__name__)


class RunRecorder:
    """The current version of a run. Thread-safe.

    If the database cannot be written, the run goes on, and the version in memory is correct.

    Args:
        run: The run, as it was saved.
        store: Stores runs and events.
        now: Returns the current time on both clocks of the master.
    """

    def __init__(self, run: Run, store: RunStore, now: Callable[[], Moment]) -> None:
        self._run = run
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._last_event = 0

    @property
    def run(self) -> Run:
        """The current version of the run."""
        return self._run

    def change(self, **fields: Any) -> Run:
        """Change fields of the run."""
        with self._lock:
            self._run = replace(self._run, **fields)
            self._save(lambda: self._store.save(self._run))
            return self._run

    def enter(self, state: RunState, *, moment: Moment | None = None, **fields: Any) -> None:
        """Enter a state, and record it with this time, which is now by default."""
        if self._run.state is not state:
            self.change(state=state, **fields)
            self.add(EventKind.STATE, state, moment=moment)

    def take_verdict(self, verdict: RunVerdict) -> bool:
        """Set the verdict. Return False if the run does not await one."""
        with self._lock:
            if self._run.state is not RunState.CHECKING or self._run.verdict is not None:
                return False
            self._run = replace(self._run, verdict=verdict)
            self._save(lambda: self._store.save(self._run))
            return True

    def add(
        self, kind: EventKind, text: str, *, moment: Moment | None = None, **fields: Any
    ) -> None:
        """Record an event, which by default happens now. `fields` are those of `RunEvent`."""
        moment = moment or self._now()
        with self._lock:
            self._last_event += 1
            event = RunEvent(self._last_event, moment.time, moment.monotonic, kind, text, **fields)
            self._save(lambda: self._store.add_event(self._run.id, event))

    def _save(self, save: Callable[[], None]) -> None:
        try:
            save()
        except DatabaseError as error:
            _log.error("%s cannot be saved: %s", self._run.title, error)
