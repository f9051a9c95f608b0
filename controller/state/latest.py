"""The latest state of the rack, for all clients."""

import threading
import time
from collections.abc import Callable

from controller.cache import SingleFlightCache
from controller.periodic import PeriodicThread
from controller.state.model import RackState
from controller.state.reader import Commands, Measurements, RackStateReader

MAX_STATE_AGE_SECONDS = 2.0
"""Maximum age of measurements. While clients read the state, it is measured once a second."""

_CHECK_SECONDS = 0.25

Prepare = Callable[[RackState], object]
"""Computes something from a state that its clients would compute otherwise."""


class LatestState:
    """The state of the rack. Thread-safe.

    Measurements are shared by all clients. Those of the thread are ready before a client needs
    them. Without the thread, or after a time without clients, a client waits for them. What the
    controller itself commands and does is in the next state.

    Args:
        reader: Reader of the state.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, reader: RackStateReader, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._measurements = SingleFlightCache(
            reader.measure, max_age=MAX_STATE_AGE_SECONDS, stale_while_refreshing=0.0, clock=clock
        )
        self._lock = threading.Lock()
        self._built: tuple[Measurements, Commands, RackState] | None = None
        self._prepare: list[Prepare] = []

    def prepare_with(self, prepare: Prepare) -> None:
        """Call a function with each state that the thread reads, before a client gets it."""
        self._prepare.append(prepare)

    def get(self) -> RackState:
        """Return the state of the rack.

        Clients get the same object until the state changes.

        Raises:
            DatabaseError: If the inventory cannot be read.
        """
        with self._lock:  # concurrent clients build a state once
            return self._build(self._measurements.get())

    def make_thread(self) -> PeriodicThread:
        """Return a thread that keeps the state recent while clients read it."""
        return PeriodicThread(
            "state", _CHECK_SECONDS, self.refresh, "cannot read the state of the rack"
        )

    def refresh(self) -> None:
        """Measure once a second, if clients have read the state recently.

        Raises:
            DatabaseError: If the inventory cannot be read. The next client also gets the error.
        """
        measurements = self._measurements.refresh_ahead()
        if measurements is not None:
            with self._lock:
                state = self._build(measurements)
                for prepare in self._prepare:
                    prepare(state)

    def _build(self, measurements: Measurements) -> RackState:
        commands = self._reader.commands()
        if self._built is not None:
            of_measurements, of_commands, state = self._built
            if of_measurements is measurements and of_commands == commands:
                return state
        state = self._reader.build(measurements, commands)
        self._built = measurements, commands, state
        return state
