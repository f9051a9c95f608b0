"""What the user's machine has to do at a moment of a run. Pure decisions, without I/O."""

from dataclasses import dataclass
from enum import Enum, auto

STOP_SECONDS = 30.0
"""Seconds from SIGTERM to SIGKILL of a client, in which it can write its final read."""

ENDED_STATES = frozenset({"done", "aborted", "interrupted"})
"""States of a run that has ended, with its power on."""

_LOAD_STATES = frozenset({"faults", "recovery"})
_CHECKING = "checking"


class Duty(Enum):
    """The next step of the user's machine."""

    WAIT = auto()
    START_CLIENT = auto()
    STOP_CLIENT = auto()
    KILL_CLIENT = auto()
    STOP_RUN = auto()
    START_CHECK = auto()
    SEND_VERDICT = auto()
    FINISH = auto()


@dataclass(frozen=True)
class ClientStatus:
    """State of the client's process.

    Attributes:
        is_started: Whether it was started.
        exit_status: Its exit status as `subprocess` returns it, None while it runs.
        stopping_seconds: Seconds since SIGTERM was sent, or None.
    """

    is_started: bool = False
    exit_status: int | None = None
    stopping_seconds: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self.is_started and self.exit_status is None

    @property
    def has_crashed(self) -> bool:
        """Whether it ended by itself, with a status other than 0."""
        return self.exit_status not in {None, 0} and self.stopping_seconds is None


@dataclass(frozen=True)
class Situation:
    """What is known at a moment of a run.

    Attributes:
        run_state: State of the run.
        client: State of the client, None if the plan has no client.
        sends_verdict: Whether the check runs on this machine.
        is_check_started: Whether the check was started.
        has_verdict: Whether the check has finished.
        is_verdict_sent: Whether the controller has the verdict.
        is_stop_wanted: Whether the user wants to stop the run.
        is_stop_sent: Whether the controller was requested to stop the run.
    """

    run_state: str
    client: ClientStatus | None
    sends_verdict: bool = True
    is_check_started: bool = False
    has_verdict: bool = False
    is_verdict_sent: bool = False
    is_stop_wanted: bool = False
    is_stop_sent: bool = False


def next_duty(situation: Situation) -> Duty:
    """Return the next step of the user's machine."""
    client = situation.client
    if (
        situation.run_state not in ENDED_STATES
        and not situation.is_stop_sent
        and _must_stop(situation)
    ):
        return Duty.STOP_RUN
    if client is not None and client.is_running and situation.run_state not in _LOAD_STATES:
        return _end_client(client)
    if situation.run_state in ENDED_STATES:
        return Duty.FINISH
    if situation.run_state in _LOAD_STATES:
        may_start = client is not None and not client.is_started and not situation.is_stop_sent
        return Duty.START_CLIENT if may_start else Duty.WAIT
    if situation.run_state == _CHECKING and situation.sends_verdict:
        return _check(situation)
    return Duty.WAIT


def _must_stop(situation: Situation) -> bool:
    has_crashed = situation.client is not None and situation.client.has_crashed
    return situation.is_stop_wanted or (has_crashed and situation.run_state in _LOAD_STATES)


def _end_client(client: ClientStatus) -> Duty:
    if client.stopping_seconds is None:
        return Duty.STOP_CLIENT
    return Duty.KILL_CLIENT if client.stopping_seconds > STOP_SECONDS else Duty.WAIT


def _check(situation: Situation) -> Duty:
    if not situation.is_check_started:
        return Duty.START_CHECK
    is_due = situation.has_verdict and not situation.is_verdict_sent
    return Duty.SEND_VERDICT if is_due else Duty.WAIT
