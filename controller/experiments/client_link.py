"""The lease of a run's client, and the questions that only the client's machine can answer."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

LEASE_SECONDS = 10.0
"""Seconds without a request of the client after which a run ends."""

_CLIENT_GONE = f"the client is gone: it sent no request for {LEASE_SECONDS:g} s"


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A question to the client.

    Attributes:
        id: Number of the question in the run, from 1.
        kind: Rasps of a place, or the result of a command.
        name: Name of the place, or empty.
        command: The command on the client's machine.
        fault: Number of the fault for which the place is resolved, or None.
        deadline: Monotonic seconds until which the answer is useful.
    """

    id: int
    kind: Literal["place", "probe"]
    name: str
    command: str
    fault: int | None
    deadline: float


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """An answer of the client.

    Attributes:
        id: Number of the question.
        nodes: Names or addresses of rasps, for a place.
        ok: Whether the command succeeded, for a probe.
        detail: Reason for a failure.
    """

    id: int
    nodes: tuple[str, ...] = ()
    ok: bool = False
    detail: str = ""


class ClientLink:
    """What a run knows of its client. Thread-safe.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._seen_at = clock()
        self._open: dict[int, ClientRequest] = {}
        self._answers: dict[int, ClientAnswer] = {}
        self._last_id = 0
        self._stop_reason = ""

    def renew(self, answers: Iterable[ClientAnswer] = ()) -> list[ClientRequest]:
        """Renew the lease, accept answers, and return the open questions."""
        with self._changed:
            self._seen_at = now = self._clock()
            for answer in answers:
                if self._open.pop(answer.id, None):
                    self._answers[answer.id] = answer
            self._changed.notify_all()
            return [
                replace(request, deadline=max(0.0, request.deadline - now))
                for request in self._open.values()
                if request.deadline > now
            ]

    def stop(self, reason: str) -> None:
        """Request the end of the run."""
        with self._changed:
            self._stop_reason = self._stop_reason or reason
            self._changed.notify_all()

    @property
    def problem(self) -> str:
        """Why the run must end, or empty."""
        with self._changed:
            if self._stop_reason:
                return self._stop_reason
            return _CLIENT_GONE if self._clock() - self._seen_at > LEASE_SECONDS else ""

    def ask(
        self,
        kind: Literal["place", "probe"],
        command: str,
        seconds: float,
        *,
        name: str = "",
        fault: int | None = None,
    ) -> int:
        """Ask a question that is useful for some seconds. Return its id."""
        with self._changed:
            self._last_id += 1
            self._open[self._last_id] = ClientRequest(
                self._last_id, kind, name, command, fault, self._clock() + seconds
            )
            return self._last_id

    def take_answers(self, ids: Iterable[int]) -> Mapping[int, ClientAnswer]:
        """Return the answers to these questions that have arrived."""
        with self._changed:
            return {number: self._answers[number] for number in ids if number in self._answers}

    def is_open(self, number: int) -> bool:
        """Return whether a question has no answer, and an answer is still useful."""
        with self._changed:
            request = self._open.get(number)
            return request is not None and request.deadline > self._clock()

    def withdraw(self, ids: Iterable[int]) -> None:
        """Withdraw questions that are no longer useful."""
        with self._changed:
            for number in ids:
                self._open.pop(number, None)

    def wait(self, seconds: float) -> None:
        """Wait until the client or a stop changes something, at most for these seconds."""
        with self._changed:
            self._changed.wait(seconds)
