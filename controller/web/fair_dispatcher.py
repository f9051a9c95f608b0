"""Threads of the HTTP server, shared fairly by the client networks."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Protocol

from waitress.task import ThreadedTaskDispatcher


class Task(Protocol):
    """A task of waitress: a connection with a request to process."""

    def service(self) -> None:
        """Process the request."""

    def cancel(self) -> None:
        """Discard the request."""


class FairDispatcher(ThreadedTaskDispatcher):
    """A dispatcher that processes only a few requests of each lane at the same time.

    The other requests of the lane wait, and do not occupy a thread.

    Args:
        lane_of: Returns the lane of a task, for example the network of its client.
        max_per_lane: Number of requests of a lane that are processed at the same time.
    """

    def __init__(self, lane_of: Callable[[Task], str], *, max_per_lane: int) -> None:
        super().__init__()
        self._lane_of = lane_of
        self._max_per_lane = max_per_lane
        self._lanes_lock = threading.Lock()
        self._running: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[Any]] = defaultdict(deque)

    def add_task(self, task: Any) -> None:  # a `Task`, unlike in the type stubs
        """Process a task as soon as its lane and a thread are available."""
        lane = self._lane_of(task)
        lane_task: Any = _LaneTask(task, lambda: self._finish(lane))
        with self._lanes_lock:
            if self._running[lane] >= self._max_per_lane:
                self._waiting[lane].append(lane_task)
                return
            self._running[lane] += 1
        super().add_task(lane_task)

    def _finish(self, lane: str) -> None:
        with self._lanes_lock:
            if self._waiting[lane]:
                following = self._waiting[lane].popleft()
            else:
                del self._waiting[lane]
                self._running[lane] -= 1
                if not self._running[lane]:
                    del self._running[lane]
                return
        super().add_task(following)


class _LaneTask:
    """A task that reports its end to the dispatcher."""

    def __init__(self, task: Task, finish: Callable[[], None]) -> None:
        self._task = task
        self._finish = finish

    def service(self) -> None:
        try:
            self._task.service()
        finally:
            self._finish()

    def cancel(self) -> None:
        self._task.cancel()
