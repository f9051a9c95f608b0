"""What the API takes and tells of installs."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from controller.models import Model, example, optional
from dhcp_installer.journal import Entry, InstallKind, InstallState
from dhcp_installer.progress import Stage

Strategy = Literal["cut", "one-by-one"]
_Id = Annotated[int, Field(ge=1, le=1_000_000)]


class _Asked(Model):
    model_config = ConfigDict(strict=True)


class StartInstallation(_Asked):
    """An install."""

    model_config = example(strategy="cut")

    strategy: Strategy = Field(
        default="cut", description="`one-by-one` where the rasps answer no ping"
    )
    dry_run: bool = Field(
        default=False,
        description="only check, and tell what becomes of dhcpd.conf with the rasps known now",
    )


class ReplaceRasp(_Asked):
    """A new board in a known slot."""

    model_config = example(strategy="cut")

    strategy: Strategy = Field(
        default="cut", description="`one-by-one` where the rasps answer no ping"
    )


class SwapRasps(_Asked):
    """Two rasps of a stack, by their ids."""

    model_config = example(ids=[9, 10])

    ids: Annotated[list[_Id], Field(min_length=2, max_length=2)] = Field(
        description="the two that are to change their slots; one slot may be empty"
    )


class InstallationsQuery(Model):
    """Which installs to list."""

    limit: int = Field(default=20, ge=1, le=200, description="How many, at most.")
    before: int | None = optional(
        ge=1, le=2**62, description="An install's id: older ones alone.", examples=[12]
    )


class StepAnswer(Model):
    """What was done, and when."""

    at: float = Field(description="since the epoch")
    text: str


class InstallationAnswer(Model):
    """An install, a replacement or a swap, as far as it is."""

    model_config = example(
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
    who: str
    stage: Stage | None
    steps: list[StepAnswer] = Field(description="what was done, in order")
    stacks_total: int
    stacks_done: int
    rasps_total: int
    rasps_found: int = Field(
        description="seen until now; in the stage `verify`, those that answer at their addresses"
    )
    seconds_left: float | None = Field(description="at most, where all goes well")
    found: dict[str, list[str]] = Field(description="MACs by the number of their stack")
    missing: dict[str, int] = Field(description="by stack: for how many slots nobody was found")
    strangers: list[str] = Field(description="MACs that are no Raspberry Pi's")
    unplaced: list[str] = Field(description="MACs that were seen, and are in no stack")
    conflicts: dict[str, list[int]] = Field(description="by MAC: the stacks it seems to be in")
    diff: str = Field(description="of dhcpd.conf")
    trouble: str = Field(description="why it failed, or who does not answer at the end")
    began: float | None = Field(description="since the epoch")
    ended: float | None = Field(
        description="null while it runs, and while what an interrupted one has left is there"
    )

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Return what the API says of an install."""
        report = entry.report.as_json()
        told = {name: report[name] for name in cls.model_fields if name in report}
        return cls(
            id=entry.id,
            kind=entry.kind,
            state=entry.state,
            strategy=entry.strategy,
            dry_run=False,
            who=entry.who,
            steps=[StepAnswer(at=step.at, text=step.text) for step in entry.steps],
            trouble=entry.trouble,
            began=entry.began,
            ended=entry.ended,
            **told,
        )

    @classmethod
    def none(cls, strategy: str = "", *, who: str = "", diff: str | None = None) -> Self:
        """Return what the API says where there never was one; with a diff, of a dry run."""
        return cls(
            id=None,
            kind=InstallKind.INSTALL,
            state="none" if diff is None else InstallState.DONE,
            strategy=strategy,
            dry_run=diff is not None,
            who=who,
            stage=None,
            steps=[],
            stacks_total=0,
            stacks_done=0,
            rasps_total=0,
            rasps_found=0,
            seconds_left=None,
            found={},
            missing={},
            strangers=[],
            unplaced=[],
            conflicts={},
            diff=diff or "",
            trouble="",
            began=None,
            ended=None,
        )
