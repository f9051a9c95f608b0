"""Responses of the API for experiments and their reservations. See `cli.models.decode`."""

from dataclasses import dataclass

from cli.experiments.duties import ENDED_STATES
from cli.experiments.verdict import VerdictResult
from rack.names import stack_name

_RESULTS: dict[str, VerdictResult] = {"ok": "ok", "lost": "lost", "failed": "failed"}


@dataclass(frozen=True)
class ApiCheck:
    """Check of a plan: `set`, `none`, `command` or `promql`."""

    kind: str


@dataclass(frozen=True)
class ApiPlannedFault:
    """A fault of a plan. `place` names what the run resolves, and is otherwise empty."""

    number: int
    kind: str
    at: float
    stacks: list[int]
    rasps: list[str]
    seconds_off: float | None
    action: str
    place: str


@dataclass(frozen=True)
class ApiPlan:
    """A plan: an experiment file and its seed, expanded."""

    name: str
    seed: int
    nodes: list[str]
    stacks: list[int]
    check: ApiCheck
    faults: list[ApiPlannedFault]


@dataclass(frozen=True)
class ApiDryRun:
    """A plan and its effects."""

    plan: ApiPlan
    plan_hash: str
    goes_down: list[str]
    duration: float
    longest_seconds: float


@dataclass(frozen=True)
class ApiVerdict:
    """Verdict of a check: `ok`, `lost`, `failed` or `unknown`, and a line about it."""

    result: str
    summary: str


@dataclass(frozen=True)
class ApiRunSummary:
    """A run without its plan."""

    id: int
    name: str
    seed: int
    state: str
    actor: str
    reason: str
    started_at: float
    finished_at: float | None
    replay_of: int | None
    verdict: ApiVerdict | None

    @property
    def has_ended(self) -> bool:
        """Whether the state of the run is final."""
        return self.state in ENDED_STATES

    @property
    def result(self) -> VerdictResult:
        """The result of a run, `unknown` without a verdict."""
        if self.verdict is None or self.state != "done":
            return "unknown"
        return _RESULTS.get(self.verdict.result, "unknown")

    @property
    def summary(self) -> str:
        """The line of the verdict, or the reason for the end of the run."""
        return self.reason if self.verdict is None else self.verdict.summary


@dataclass(frozen=True)
class ApiStackEnergy:
    """Energy of a stack in a run. `joules` is None if no outlet was measured."""

    stack: int
    joules: float | None
    is_complete: bool


@dataclass(frozen=True)
class ApiOutletEnergy:
    """Energy of the outlet of a rasp, or of a whole stack, None if it was not measured."""

    stack: int
    rasp: str | None
    joules: float | None

    @property
    def place(self) -> str:
        """What the outlet powers, for example `02-1` or `stack 02`."""
        return self.rasp or f"stack {stack_name(self.stack)}"


@dataclass(frozen=True)
class ApiRunEnergy:
    """Energy of a run. `is_complete` is false if an outlet was not measured."""

    joules: float | None
    is_complete: bool
    stacks: list[ApiStackEnergy]
    outlets: list[ApiOutletEnergy]


@dataclass(frozen=True)
class ApiRun(ApiRunSummary):
    """A run and its plan. `text` is the plan file as it was sent.

    `versions` are those of the programs on the master, and `layout_hash` is of the rack's layout.
    `energy` is None before the end, and in the record of an earlier version.
    """

    file: str
    text: str
    plan: ApiPlan
    plan_hash: str
    versions: dict[str, str]
    layout_hash: str
    energy: ApiRunEnergy | None = None


@dataclass(frozen=True)
class ApiRunRequest:
    """A request that only the user's machine can answer: `place` or `probe`."""

    id: int
    kind: str
    name: str
    command: str
    deadline: float


@dataclass(frozen=True)
class ApiLease:
    """Response to a lease: the run, the clock of the controller and the open requests."""

    run: ApiRunSummary
    monotonic: float
    requests: list[ApiRunRequest]


@dataclass(frozen=True)
class ApiRunEvent:
    """An event of a run. Values that are not known, or that its kind does not have, are None.

    `is_on` and the monotonic times `planned`, `before` and `after` are of an edge of power.
    """

    number: int
    time: float
    monotonic: float
    kind: str
    text: str
    fault: int | None
    stack: int | None
    rasp: str | None
    is_on: bool | None
    planned: float | None
    before: float | None
    after: float | None
