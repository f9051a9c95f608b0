"""API models of experiments."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from controller.experiments.client_link import ClientAnswer, ClientRequest
from controller.experiments.energy_schemas import RunEnergyResponse
from controller.experiments.expansion import MAX_SEED
from controller.experiments.model import (
    EventKind,
    ExperimentRequest,
    Rate,
    Run,
    RunEvent,
    RunHeader,
    RunState,
    RunVerdict,
    VerdictResult,
)
from controller.experiments.plan import CheckKind, FaultKind, Plan
from controller.experiments.planning import DryRun
from controller.web.models import JSON_NUMBER, ApiModel, JsonBool, example_config, omittable
from rack.database import MAX_ROW_ID

_MAX_TEXT = 40 * 1024  # the server accepts its longest JSON form, and the application reports it
_MAX_SECOND = 2**40
_MAX_COUNT = 2**40
_EXAMPLE_TEXT = 'nodes = "3 stacks"\n'

_Count = Annotated[int, Field(ge=0, le=_MAX_COUNT), JSON_NUMBER]
_RunId = Annotated[int, Field(ge=1, le=MAX_ROW_ID), JSON_NUMBER]
_Seed = Annotated[int, Field(ge=0, le=MAX_SEED), JSON_NUMBER]
_Second = Annotated[int, Field(ge=0, le=_MAX_SECOND), JSON_NUMBER]


class RunRequestBody(ApiModel):
    """An experiment to plan or to run."""

    model_config = example_config(file="raft.toml", text=_EXAMPLE_TEXT, seed=7)

    file: str = Field(
        default="", max_length=255, description="Name of the plan file. Required without a replay."
    )
    text: str = Field(
        default="", max_length=_MAX_TEXT, description="Content of the plan file, in TOML."
    )
    seed: _Seed = Field(default=1, description="Seed of all random choices.")
    reservation: _RunId | None = Field(
        default=None, description="Reservation whose stacks are used, null for any stacks."
    )
    replay_of: _RunId | None = Field(
        default=None, description="Run whose plan is repeated, instead of a file and a seed."
    )

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if self.replay_of is None and not (self.file and self.text):
            raise ValueError("set file and text, or replay_of")
        return self

    @property
    def request(self) -> ExperimentRequest:
        """The request."""
        return ExperimentRequest(**dict(self))


class CheckResponse(ApiModel):
    """What decides whether a run was successful."""

    kind: CheckKind
    command: str = Field(description="Command on the client's machine, or empty.")
    query: str = Field(description="PromQL query, or empty.")


class ProbeResponse(ApiModel):
    """A condition of the steady state. Exactly one field is not empty."""

    promql: str
    http: str
    command: str


class AbortResponse(ApiModel):
    """When a run is aborted."""

    temperature: float = Field(description="Highest temperature of a rasp.")
    under_voltage: bool
    boot_within: float = Field(description="Seconds in which rasps must boot.")


class PlannedFaultResponse(ApiModel):
    """A fault with its time and place."""

    number: int
    kind: FaultKind
    at: float = Field(description="Seconds after the steady state.")
    stacks: list[int] = Field(description="Stacks, empty for a place that is not resolved.")
    rasps: list[str] = Field(description="Names of the affected rasps.")
    seconds_off: float | None = Field(description="Seconds without power, or null.")
    action: str = Field(description="Name of the action, or empty.")
    pick: str = Field(description="How the plan file selects the rasps.")
    place: str = Field(description="Place that the run resolves, or empty.")


class PlanResponse(ApiModel):
    """A plan file and its seed, expanded."""

    name: str
    seed: int
    nodes: list[str] = Field(description="Names of the rasps.")
    stacks: list[int] = Field(description="Numbers of their stacks.")
    start: str = Field(description="Action before the steady state, or empty.")
    stop: str = Field(description="Action at the end, or empty.")
    client: str = Field(description="Command on the client's machine, or empty.")
    check: CheckResponse
    probes: list[ProbeResponse]
    within: float = Field(description="Seconds in which the probes must succeed.")
    clock_offset: float | None = Field(description="Largest offset of a clock, or null.")
    places: dict[str, str] = Field(description="Command of each place, by its name.")
    faults: list[PlannedFaultResponse]
    abort: AbortResponse

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the model of a plan."""
        return cls.model_validate(plan, from_attributes=True)


class DryRunResponse(ApiModel):
    """A plan and its effects."""

    plan: PlanResponse
    plan_hash: str = Field(description="SHA-256 of the plan.")
    goes_down: list[str] = Field(description="Names of the rasps that go down.")
    duration: float = Field(description="Seconds from the steady state to the last fault's end.")
    longest_seconds: float = Field(description="Longest duration of a run, without its check.")

    @classmethod
    def of(cls, dry_run: DryRun) -> Self:
        """Return the model of a dry run."""
        plan = dry_run.plan
        return cls(
            plan=PlanResponse.of(plan),
            plan_hash=plan.hash,
            goes_down=list(plan.goes_down),
            duration=plan.duration,
            longest_seconds=dry_run.longest_seconds,
        )


class VerdictResponse(ApiModel):
    """What a check found."""

    result: VerdictResult
    summary: str
    statistics: dict[str, JsonValue]


class RunSummaryResponse(ApiModel):
    """A run without its plan."""

    id: int
    name: str = Field(description="Name of the experiment.")
    seed: int
    state: RunState
    actor: str = Field(description="User or token that started the run.")
    reservation: int | None
    started_at: float
    faults_started_at: float | None = Field(description="Time from which the faults count.")
    finished_at: float | None
    reason: str = Field(description="Why the run was aborted or interrupted, or empty.")
    replay_of: int | None = Field(description="Run whose plan is repeated, or null.")
    verdict: VerdictResponse | None

    @classmethod
    def of(cls, run: RunHeader) -> Self:
        """Return the model of a run."""
        return cls.model_validate(
            {name: getattr(run, name) for name in cls.model_fields}, from_attributes=True
        )


class RunResponse(RunSummaryResponse):
    """A run."""

    file: str = Field(description="Name of the plan file.")
    text: str = Field(description="Content of the plan file.")
    plan: PlanResponse
    plan_hash: str = Field(description="SHA-256 of the plan.")
    versions: dict[str, str] = Field(description="Versions of programs on the master.")
    layout_hash: str = Field(description="SHA-256 of the layout of the rack.")
    energy: RunEnergyResponse | None = Field(
        description="Energy of the outlets of its rasps, null before its end."
    )

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return the model of a run with its plan."""
        header = dict(RunSummaryResponse.of(run))
        return cls(
            **header,
            file=run.file,
            text=run.text,
            plan=PlanResponse.of(run.plan),
            plan_hash=run.plan.hash,
            versions=dict(run.versions),
            layout_hash=run.layout_hash,
            energy=None if run.energy is None else RunEnergyResponse.of(run.energy),
        )


class RunEventResponse(ApiModel):
    """Something that happened in a run. Values that are unknown or do not apply are null."""

    number: int
    time: float
    monotonic: float = Field(description="Seconds since the boot of the master.")
    kind: EventKind
    text: str
    fault: int | None = Field(description="Number of the fault.")
    stack: int | None
    rasp: str | None
    is_on: bool | None = Field(description="Whether an edge switched the stack or the rasp on.")
    planned: float | None = Field(description="Planned time of an edge, as `monotonic`.")
    before: float | None = Field(description="Time before the outlet was switched.")
    after: float | None = Field(description="Time after the outlet was switched.")

    @classmethod
    def of(cls, event: RunEvent) -> Self:
        """Return the model of an event."""
        return cls.model_validate(event, from_attributes=True)


class RateModel(ApiModel):
    """Operations of the client that ended in one second."""

    second: _Second = Field(description="Second of the master's monotonic clock.")
    ok: _Count
    fail: _Count
    info: _Count

    @classmethod
    def of(cls, rate: Rate) -> Self:
        """Return the model of a rate."""
        return cls.model_validate(rate, from_attributes=True)


class AnswerBody(ApiModel):
    """An answer of the client to a question."""

    id: _RunId
    nodes: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[], max_length=1000, description="Names or addresses of the rasps of a place."
    )
    ok: JsonBool = Field(default=False, description="Whether the command of a probe succeeded.")
    detail: str = Field(default="", max_length=500, description="Reason for a failure.")

    @property
    def answer(self) -> ClientAnswer:
        """The answer."""
        return ClientAnswer(self.id, tuple(self.nodes), self.ok, self.detail)


class LeaseBody(ApiModel):
    """Renewal of the lease of a run."""

    rates: list[RateModel] = Field(
        default=[], max_length=300, description="Rates of new or changed seconds."
    )
    answers: list[AnswerBody] = Field(
        default=[], max_length=100, description="Answers to `requests`."
    )


class ClientRequestResponse(ApiModel):
    """A question that only the client's machine can answer."""

    id: int
    kind: Literal["place", "probe"]
    name: str = Field(description="Name of the place, or empty.")
    command: str = Field(description="Command of the plan file.")
    fault: int | None
    deadline: float = Field(description="Seconds in which an answer is useful.")

    @classmethod
    def of(cls, request: ClientRequest) -> Self:
        """Return the model of a question."""
        return cls.model_validate(request, from_attributes=True)


class LeaseResponse(ApiModel):
    """A run, the clocks of the master, and the questions to the client."""

    run: RunSummaryResponse
    time: float
    monotonic: float = Field(description="Seconds since the boot of the master.")
    requests: list[ClientRequestResponse]


class VerdictBody(ApiModel):
    """The verdict of a check on the client's machine."""

    model_config = example_config(result="ok", summary="48,210 acknowledged writes", statistics={})

    result: Literal["ok", "lost", "failed", "unknown"]
    summary: str = Field(default="", max_length=1000, description="One line.")
    statistics: dict[str, JsonValue] = Field(default={}, description="Numbers and texts.")

    @property
    def verdict(self) -> RunVerdict:
        """The verdict."""
        return RunVerdict(VerdictResult(self.result), self.summary, self.statistics)


class RunsQuery(ApiModel):
    """Filters of `GET experiments`."""

    limit: int = Field(default=50, ge=1, le=500, description="Maximum number of runs.")
    before: _RunId | None = omittable(description="Run id. Only older runs are listed.")
    name: str | None = omittable(max_length=63, description="Name of the experiment.")


class EventsQuery(ApiModel):
    """Filters of the events of a run."""

    after: int = Field(
        default=0, ge=0, le=MAX_ROW_ID, description="Number of an event. Later ones are listed."
    )
    limit: int = Field(default=500, ge=1, le=1000, description="Maximum number of events.")
