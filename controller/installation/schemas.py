"""API models of installs."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from controller.web.models import ApiModel, TargetId, example_config, omittable
from dhcp_installer import DEFAULT_STRATEGY, SlotEvidence, StrategyName
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import Stage
from rack.database import MAX_ROW_ID

_OUTCOME = "The state and what is missing, for example `done, 5 missing`."
_RASPS_MISSING = "Number of rasps that an install has not found in the end, 0 before."

_Strategy = Annotated[
    StrategyName,
    Field(description="Discovery strategy. Use `one-by-one` if the rasps do not reply to ping."),
]


class _RequestModel(ApiModel):
    model_config = ConfigDict(strict=True)


class StartInstallation(_RequestModel):
    """Request for an install."""

    model_config = example_config(strategy=DEFAULT_STRATEGY)

    strategy: _Strategy = DEFAULT_STRATEGY
    dry_run: bool = Field(
        default=False,
        description="Check only, and return the diff of dhcpd.conf for the current inventory.",
    )


class ReplaceRasp(_RequestModel):
    """Request to replace the board in a slot."""

    model_config = example_config(strategy=DEFAULT_STRATEGY)

    strategy: _Strategy = DEFAULT_STRATEGY


class SwapRasps(_RequestModel):
    """Request to swap two rasps of a stack."""

    model_config = example_config(ids=[9, 10])

    ids: Annotated[list[TargetId], Field(min_length=2, max_length=2)] = Field(
        description="Ids or names of the two slots. One slot may be empty."
    )


class InstallationsQuery(ApiModel):
    """Filters of `GET installations`."""

    limit: int = Field(default=20, ge=1, le=200, description="Maximum number of installs.")
    before: int | None = omittable(
        ge=1,
        le=MAX_ROW_ID,
        description="Install id. Only older installs are listed.",
        examples=[12],
    )


class InstallStepResponse(ApiModel):
    """Completed step of an install."""

    time: float = Field(description="Seconds since the epoch.")
    text: str


class InstallationSummaryResponse(ApiModel):
    """Install, replacement or swap, without its steps and results."""

    id: int
    kind: InstallKind
    state: InstallState
    outcome: str = Field(description=_OUTCOME)
    strategy: str
    actor: str
    rasps_total: int
    rasps_found: int
    rasps_missing: int = Field(description=_RASPS_MISSING)
    error: str
    started_at: float
    finished_at: float | None

    @classmethod
    def of(cls, record: InstallRecord) -> Self:
        """Return the response for an install."""
        return cls(
            id=record.id,
            kind=record.kind,
            state=record.state,
            outcome=record.outcome,
            strategy=record.strategy,
            actor=record.actor,
            rasps_total=record.report.rasps_total,
            rasps_found=record.report.rasps_found,
            rasps_missing=record.rasps_missing,
            error=record.error,
            started_at=record.started_at,
            finished_at=record.finished_at,
        )


class InstallationResponse(ApiModel):
    """Install, replacement or swap."""

    model_config = example_config(
        id=3,
        kind="install",
        state="running",
        outcome="running",
        strategy="cut",
        dry_run=False,
        actor="alice",
        stage="discover",
        steps=[{"time": 1767225600.0, "text": "power-cycling 12 stacks to find their rasps"}],
        stacks_total=12,
        stacks_done=1,
        rasps_total=48,
        rasps_found=48,
        rasps_missing=0,
        seconds_left=33.0,
        found={"1": ["b8:27:eb:00:00:01"]},
        missing={"1": 3},
        missing_slots=["01-2", "01-3", "01-4"],
        slots={"b8:27:eb:00:00:01": 1},
        slot_evidence={"b8:27:eb:00:00:01": "row_and_column"},
        other_vendor_macs=["3c:52:82:00:00:01"],
        unplaced=[],
        conflicts={},
        outlets_to_restore=[],
        diff="",
        error="",
        started_at=1767225590.0,
        finished_at=None,
    )

    id: int | None
    kind: InstallKind
    state: InstallState | Literal["none"] = Field(
        description="`interrupted`: the controller stopped first. `none`: no install was started."
    )
    outcome: str = Field(description=_OUTCOME)
    strategy: str
    dry_run: bool
    actor: str
    stage: Stage | None
    steps: list[InstallStepResponse] = Field(description="Completed steps, oldest first.")
    stacks_total: int
    stacks_done: int
    rasps_total: int
    rasps_found: int = Field(
        description="Number of rasps found or, in the stage `verify`, reached at their addresses."
    )
    rasps_missing: int = Field(description=_RASPS_MISSING)
    seconds_left: float | None = Field(description="Estimated time until the stage ends.")
    found: dict[str, list[str]] = Field(description="MAC addresses for each stack number.")
    missing: dict[str, int] = Field(description="Number of missing rasps for each stack number.")
    missing_slots: list[str] = Field(
        description="Names of the slots with outlets of their own at which no rasp was found."
    )
    slots: dict[str, int] = Field(
        description="Slot number for each MAC address that was found at the outlet of one slot."
    )
    slot_evidence: dict[str, SlotEvidence] = Field(
        description="What was switched to find each of these slots: its `outlet` alone, or groups"
        " of outlets, `row_and_column`."
    )
    other_vendor_macs: list[str] = Field(description="MAC addresses of other vendors.")
    unplaced: list[str] = Field(description="Active MAC addresses that were found at no outlet.")
    conflicts: dict[str, list[str]] = Field(
        description="Names of the stacks and slots at whose outlets each MAC address was found, if"
        " there were several outlets, or several rasps at the outlet of one slot."
    )
    outlets_to_restore: list[str] = Field(
        description="Names of the stacks and slots whose power an interrupted install has changed."
        " `DELETE` or the next install restores it."
    )
    diff: str = Field(description="Changes to dhcpd.conf as a unified diff.")
    error: str = Field(
        description="Reason for a failure, or the rasps that do not reply at their addresses."
    )
    started_at: float | None = Field(description="Seconds since the epoch.")
    finished_at: float | None = Field(
        description="Null while the install runs, and until an interrupted install is recovered."
    )

    @classmethod
    def of(cls, record: InstallRecord, outlets_to_restore: Collection[str] = ()) -> Self:
        """Return the response for an install."""
        report = record.report.to_json()
        progress = {name: report[name] for name in cls.model_fields if name in report}
        return cls(
            id=record.id,
            kind=record.kind,
            state=record.state,
            outcome=record.outcome,
            strategy=record.strategy,
            dry_run=False,
            actor=record.actor,
            rasps_missing=record.rasps_missing,
            steps=[InstallStepResponse(time=step.time, text=step.text) for step in record.steps],
            error=record.error,
            outlets_to_restore=list(outlets_to_restore),
            started_at=record.started_at,
            finished_at=record.finished_at,
            **progress,
        )

    @classmethod
    def empty(cls, strategy: str = "", *, actor: str = "", diff: str | None = None) -> Self:
        """Return the response for no install or, with a diff, for a dry run."""
        state: InstallState | Literal["none"] = "none" if diff is None else InstallState.DONE
        return cls(
            id=None,
            kind=InstallKind.INSTALL,
            state=state,
            outcome=state,
            strategy=strategy,
            dry_run=diff is not None,
            actor=actor,
            stage=None,
            steps=[],
            stacks_total=0,
            stacks_done=0,
            rasps_total=0,
            rasps_found=0,
            rasps_missing=0,
            seconds_left=None,
            found={},
            missing={},
            missing_slots=[],
            slots={},
            slot_evidence={},
            other_vendor_macs=[],
            unplaced=[],
            conflicts={},
            outlets_to_restore=[],
            diff=diff or "",
            error="",
            started_at=None,
            finished_at=None,
        )
