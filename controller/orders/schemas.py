"""What the API takes and tells of orders."""

from collections import Counter
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, RootModel, model_validator

from controller.models import Model, example, optional
from controller.orders.actions import READ, Action
from controller.orders.order import (
    Kind,
    Order,
    OrderState,
    Outcome,
    Preview,
    Result,
    Scope,
    Wanted,
)
from exporter.aliases import Alias

_MOST_IDS = 2000

_Id = Annotated[int, Field(ge=1, le=1_000_000)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Execute(Model):
    model_config = ConfigDict(strict=True)

    action: _Name = Field(description="its name, as the options have it")
    alias: _Name | None = Field(
        default=None, description=f"what is to be read; with the action `{READ}` alone"
    )
    dry_run: bool = Field(default=False, description="only tell what it would take down")


class _ExecuteOnMany(_Execute):
    id: _Id | None = optional(description="one target; in place of ids")
    ids: Annotated[list[_Id], Field(min_length=1, max_length=_MOST_IDS)] | None = optional(
        description="several targets; in place of id"
    )

    @model_validator(mode="after")
    def _has_targets(self) -> Self:
        if len(self.model_fields_set & {"id", "ids"}) != 1 or not self.targets:
            raise ValueError("give either id or ids")
        return self

    @property
    def targets(self) -> tuple[int, ...]:
        """The ids that are meant."""
        return tuple(self.ids or ()) if self.id is None else (self.id,)


def _either(**fields: Any) -> ConfigDict:
    """Return the configuration of a model that takes either `id` or `ids`, with an example."""
    either: list[JsonValue] = [{"required": ["id"]}, {"required": ["ids"]}]
    return ConfigDict(json_schema_extra={"examples": [fields], "oneOf": either})


class ExecuteOnRasps(_ExecuteOnMany):
    """An order on rasps, by their ids."""

    model_config = _either(ids=[10, 11], action="ping")

    @property
    def wanted(self) -> Wanted:
        """What is wanted."""
        return Wanted(self.action, "rasps", self.targets, self.alias)


class ExecuteOnStacks(_ExecuteOnMany):
    """An order on stacks, by their numbers."""

    model_config = _either(id=3, action="power_off", dry_run=True)

    force: bool = Field(default=False, description="cut power without shutting down first")

    @property
    def wanted(self) -> Wanted:
        """What is wanted."""
        return Wanted(self.action, "stacks", self.targets, self.alias, self.force)


class ExecuteOnRack(_Execute):
    """An order on the whole rack."""

    model_config = example(action="power_off", dry_run=True)

    force: bool = Field(default=False, description="cut power without shutting down first")

    @property
    def wanted(self) -> Wanted:
        """What is wanted."""
        return Wanted(self.action, "rack", (), self.alias, self.force)


class AliasAnswer(Model):
    """An alias that can be read."""

    model_config = example(
        name="cpu_temperature_celsius", help="Temperature of the system on chip."
    )

    name: str
    help: str

    @classmethod
    def of(cls, alias: Alias) -> Self:
        """Return what the API says of an alias."""
        return cls(name=alias.label, help=alias.help)


class OptionAnswer(Model):
    """An action that can be ordered."""

    action: str
    help: str
    is_quick: bool = Field(description="whether its order is over when it is answered")
    takes_down: bool = Field(description="whether rasps go down by it")
    aliases: list[AliasAnswer] | None = Field(description="what can be read, with `read` alone")

    @classmethod
    def of(cls, action: Action, aliases: list[AliasAnswer]) -> Self:
        """Return what the API says of an action; `aliases` are what can be read."""
        return cls(
            action=action.name,
            help=action.help,
            is_quick=action.is_quick,
            takes_down=action.takes_down,
            aliases=aliases if action.name == READ else None,
        )


class ReadingAnswer(Model):
    """One sample of an alias that was read."""

    labels: dict[str, str]
    value: float


class OutcomeAnswer(Model):
    """What came of an order for one rasp or stack."""

    kind: Kind
    target: str = Field(description="its name: `03-2`, `03`")
    id: int = Field(description="the rasp's id, or the stack's number")
    result: Result | None = Field(description="null as long as it is open")
    stage: str = Field(description="what is being done just now")
    detail: str = Field(description="why, or what was seen")
    output: str = Field(description="what the action printed")
    readings: list[ReadingAnswer]

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return what the API says of an outcome."""
        return cls(
            kind=outcome.kind,
            target=outcome.target,
            id=outcome.id,
            result=outcome.result,
            stage=outcome.stage,
            detail=outcome.detail,
            output=outcome.output,
            readings=[
                ReadingAnswer(labels=dict(each.labels), value=each.value)
                for each in outcome.readings
            ],
        )


class CountsAnswer(Model):
    """How many results there are of each kind; `waiting` are those still open."""

    ok: int
    failed: int
    unknown: int
    waiting: int


class OrderAnswer(Model):
    """An order, and what came of it so far."""

    id: int
    action: str
    alias: str | None
    scope: Scope
    targets: list[str] = Field(description="the names of the rasps or stacks that it is for")
    force: bool
    who: str = Field(description="a user, `token:NAME`, or `remedy:ALERT`")
    origin: str = Field(description="the address that it came from")
    state: OrderState
    result: Result | None = Field(description="the worst of all results; null while it runs")
    began: float
    ended: float | None
    counts: CountsAnswer
    results: list[OutcomeAnswer] = Field(
        description="for each target, and for the rasps of a stack that gets or loses power"
    )

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return what the API says of an order."""
        counts = Counter(outcome.result for outcome in order.outcomes)
        return cls(
            id=order.id,
            action=order.wanted.action,
            alias=order.wanted.alias,
            scope=order.wanted.scope,
            targets=list(order.targets),
            force=order.wanted.force,
            who=order.who,
            origin=order.origin,
            state=order.state,
            result=order.result,
            began=order.began,
            ended=order.ended,
            counts=CountsAnswer(
                ok=counts[Result.OK],
                failed=counts[Result.FAILED],
                unknown=counts[Result.UNKNOWN],
                waiting=counts[None],
            ),
            results=[OutcomeAnswer.of(outcome) for outcome in order.outcomes],
        )


class PreviewAnswer(Model):
    """What an order would do, were it given now."""

    model_config = example(
        action="power_off",
        takes_down=["03-1", "03-2", "03-4"],
        already_down=["03-3"],
        stacks=[3],
        warnings=[],
    )

    action: str
    takes_down: list[str] = Field(description="the rasps that would go down, by name")
    already_down: list[str] = Field(description="those that are down already")
    stacks: list[int] = Field(description="the stacks whose power it is about")
    warnings: list[str]

    @classmethod
    def of(cls, action: str, preview: Preview) -> Self:
        """Return what the API says of what an action would do."""
        return cls(
            action=action,
            takes_down=list(preview.takes_down),
            already_down=list(preview.already_down),
            stacks=list(preview.stacks),
            warnings=list(preview.warnings),
        )


class DoneAnswer(RootModel[OrderAnswer | PreviewAnswer]):
    """A quick order that is over or, of a dry run, what it would do."""


class OrdersQuery(Model):
    """Which orders to list; all that are given must hold."""

    limit: int = Field(default=50, ge=1, le=500, description="How many, at most.")
    before: int | None = optional(
        ge=1, le=2**62, description="An order's id: older ones alone.", examples=[120]
    )
    state: OrderState | None = optional(description="How far they are.", examples=["done"])
    action: str | None = optional(max_length=100, description="The action.", examples=["reboot"])
    target: str | None = optional(
        max_length=100, description="The name of a rasp or a stack.", examples=["03-2"]
    )
    q: str | None = optional(
        max_length=100,
        description="A part of who gave it, of its action or alias, or of a target's name.",
        examples=["alice"],
    )
