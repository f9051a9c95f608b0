"""What the API takes and tells of installs."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from controller.web.models import ApiModel, example_config, omittable
from dhcp_installer.install.journal import InstallKind, InstallRecord, InstallState
from dhcp_installer.install.progress import Stage

Strategy = Literal["cut", "one-by-one"]
_Id = Annotated[int, Field(ge=1, le=1_000_000)]


class _RequestModel(ApiModel):
    model_config = ConfigDict(strict=True)


class StartInstallation(_RequestModel):
    """An install."""

    model_config = example_config(strategy="cut")

    strategy: Strategy = Field(
        default="cut", description="`one-by-one` where the rasps answer no ping"
    )
    dry_run: bool = Field(
        default=False,
        description="only check, and tell what becomes of dhcpd.conf with the rasps known now",
    )


class ReplaceRasp(_RequestModel):
    """A new board in a known slot."""

    model_config = example_config(strategy="cut")

    strategy: Strategy = Field(
        default="cut", description="`one-by-one` where the rasps answer no ping"
    )


class SwapRasps(_RequestModel):
    """Two rasps of a stack, by their ids."""

    model_config = example_config(ids=[9, 10])

    ids: Annotated[list[_Id], Field(min_length=2, max_length=2)] = Field(
        description="the two that are to change their slots; one slot may be empty"
    )


class InstallationsQuery(ApiModel):
    """Which installs to list."""

    limit: int = Field(default=20, ge=1, le=200, description="How many, at most.")
    before: int | None = omittable(
        ge=1, le=2**62, description="An install's id: older ones alone.", examples=[12]
    )


class InstallStepResponse(ApiModel):
    """What was done, and when."""

    time: float = Field(description="since the epoch")
    text: str


class InstallationResponse(ApiModel):
    """An install, a replacement or a swap, as far as it is."""

    model_config = example_config(
        id=3,
        kind="install",
        state="running",
        strategy="cut",
        dry_run=False,
        who="alice",
        stage="discover",
        steps=[{"at": 1767225600.0, "text": "12 stacks are cut, to see who comes back with which"}],
        stacks_total=12,
        stacks_done=1,
        rasps_total=48,
        rasps_found=48,
        seconds_left=33.0,
        found={"1": ["b8:27:eb:00:00:01"]},
        missing={"1": 3},
        strangers=["3c:52:82:00:00:01"],
        unplaced=[],
        conflicts={},
        diff="",
        trouble="",
        began=1767225590.0,
        ended=None,
    )

    id: int | None
    kind: InstallKind
    state: InstallState | Literal["none"] = Field(
        description="`interrupted`: the controller ended before it did; `none`: never was one"
    )
    strategy: str
    dry_run: bool
    actor: str
    stage: Stage | None
    steps: list[InstallStepResponse] = Field(description="what was done, in order")
    stacks_total: int
    stacks_done: int
    rasps_total: int
    rasps_found: int = Field(
        description="seen until now; in the stage `verify`, those that answer at their addresses"
    )
    seconds_left: float | None = Field(description="at most, where all goes well")
    found: dict[str, list[str]] = Field(description="MACs by the number of their stack")
    missing: dict[str, int] = Field(description="by stack: for how many slots nobody was found")
    other_vendor_macs: list[str] = Field(description="MACs that are no Raspberry Pi's")
    unplaced: list[str] = Field(description="MACs that were seen, and are in no stack")
    conflicts: dict[str, list[int]] = Field(description="by MAC: the stacks it seems to be in")
    diff: str = Field(description="of dhcpd.conf")
    error: str = Field(description="why it failed, or who does not answer at the end")
    started_at: float | None = Field(description="since the epoch")
    finished_at: float | None = Field(
        description="null while it runs, and while what an interrupted one has left is there"
    )

    @classmethod
    def of(cls, record: InstallRecord) -> Self:
        """Return what the API says of an install."""
        report = record.report.to_json()
        told = {name: report[name] for name in cls.model_fields if name in report}
        return cls(
            id=record.id,
            kind=record.kind,
            state=record.state,
            strategy=record.strategy,
            dry_run=False,
            actor=record.actor,
            steps=[InstallStepResponse(time=step.time, text=step.text) for step in record.steps],
            error=record.error,
            started_at=record.started_at,
            finished_at=record.finished_at,
            **told,
        )

    @classmethod
    def empty(cls, strategy: str = "", *, actor: str = "", diff: str | None = None) -> Self:
        """Return what the API says where there never was one; with a diff, of a dry run."""
        return cls(
            id=None,
            kind=InstallKind.INSTALL,
            state="none" if diff is None else InstallState.DONE,
            strategy=strategy,
            dry_run=diff is not None,
            actor=actor,
            stage=None,
            steps=[],
            stacks_total=0,
            stacks_done=0,
            rasps_total=0,
            rasps_found=0,
            seconds_left=None,
            found={},
            missing={},
            other_vendor_macs=[],
            unplaced=[],
            conflicts={},
            diff=diff or "",
            error="",
            started_at=None,
            finished_at=None,
        )
