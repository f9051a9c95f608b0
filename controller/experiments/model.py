"""Runs of experiments and their events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from controller.experiments.energy import RunEnergy
from controller.experiments.plan import Plan

_RUN_ACTOR = "experiment "


class RunState(StrEnum):
    """State of a run.

    `preparing`: power, rasps, clocks and the start action. `steady`: the probes are awaited.
    `recovery`: the probes are awaited after the last fault. `checking`: the verdict is awaited.
    `interrupted`: the controller stopped before the run ended.
    """

    WAITING = "waiting"
    PREPARING = "preparing"
    STEADY = "steady"
    FAULTS = "faults"
    RECOVERY = "recovery"
    CHECKING = "checking"
    DONE = "done"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self in {RunState.DONE, RunState.ABORTED, RunState.INTERRUPTED}


class VerdictResult(StrEnum):
    """Result of a check. `lost`: acknowledged data is missing. `unknown`: it cannot be decided."""

    OK = "ok"
    LOST = "lost"
    FAILED = "failed"
    UNKNOWN = "unknown"


class EventKind(StrEnum):
    """Kind of an event of a run."""

    STATE = "state"
    EDGE = "edge"
    ORDER = "order"
    PROBE = "probe"
    SILENCE = "silence"
    ANSWER = "answer"
    ALERT = "alert"
    CLOCK = "clock"
    PLACE = "place"
    WARNING = "warning"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What a check found.

    Attributes:
        result: Result of the check.
        summary: One line about it.
        statistics: Numbers and texts about it.
    """

    result: VerdictResult
    summary: str = ""
    statistics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentRequest:
    """A request to run an experiment.

    Attributes:
        file: Name of the plan file.
        text: Content of the plan file.
        seed: Seed of its choices.
        reservation: Reservation whose stacks the run uses, or None for one of its own.
        replay_of: Run whose plan is repeated, or None.
    """

    file: str
    text: str
    seed: int
    reservation: int | None = None
    replay_of: int | None = None


@dataclass(frozen=True, slots=True)
class RunHeader:
    """A run without its plan.

    Attributes:
        id: Number of the run, from 1.
        name: Name of the experiment.
        seed: Seed of the plan.
        actor: User or token that started the run.
        state: Current state.
        started_at: Seconds since the epoch.
        reason: Why the run was aborted or interrupted, otherwise empty.
        faults_started_at: Time from which the faults count, or None before.
        finished_at: Seconds since the epoch, or None while the run goes on.
        reservation: Reservation of its stacks, or None.
        replay_of: Run whose plan is repeated, or None.
        verdict: Verdict of the check, or None.
    """

    id: int
    name: str
    seed: int
    actor: str
    state: RunState
    started_at: float
    reason: str = ""
    faults_started_at: float | None = None
    finished_at: float | None = None
    reservation: int | None = None
    replay_of: int | None = None
    verdict: RunVerdict | None = None

    @property
    def title(self) -> str:
        """Id and name, for example `run 12: raft`."""
        return f"run {self.id}: {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(RunHeader):
    """A run.

    Attributes:
        file: Name of the plan file.
        text: Content of the plan file.
        plan: The plan, with the places that are resolved so far.
        versions: Versions of the programs on the master, by name.
        layout_hash: SHA-256 of the layout of the rack.
        energy: Energy from its preparation to its end, or None before the end, and if the
            controller stopped during the run.
    """

    file: str
    text: str
    plan: Plan
    versions: Mapping[str, str]
    layout_hash: str
    energy: RunEnergy | None = None


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a run. Values that are unknown or do not apply are None.

    Attributes:
        number: Number in the run, from 1.
        time: Seconds since the epoch.
        monotonic: Seconds since the boot of the master.
        kind: Kind of the event.
        text: What happened. For a state, the state alone.
        fault: Number of the fault.
        stack: Number of the stack.
        rasp: Name of the rasp. For an edge, only if the outlet powers this rasp alone.
        is_on: Whether an edge switched the stack or the rasp on.
        planned: Planned time of an edge, in seconds since the boot of the master.
        before: Time before the outlet was switched.
        after: Time after the outlet was switched.
    """

    number: int
    time: float
    monotonic: float
    kind: EventKind
    text: str
    fault: int | None = None
    stack: int | None = None
    rasp: str | None = None
    is_on: bool | None = None
    planned: float | None = None
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations of the client that ended in one second.

    Attributes:
        second: Whole second of the clock of the master, which counts from its boot.
        ok: Successful operations.
        fail: Operations that certainly had no effect.
        info: Operations whose effect is unknown.
    """

    second: int
    ok: int
    fail: int
    info: int


def actor_of_run(run: int) -> str:
    """Return the actor of the orders of a run."""
    return f"{_RUN_ACTOR}{run}"


def run_of_actor(actor: str) -> int | None:
    """Return the run whose orders have this actor, or None. User names contain no space."""
    number = actor.removeprefix(_RUN_ACTOR)
    return int(number) if number != actor and number.isdecimal() else None
