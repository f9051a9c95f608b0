"""What the API takes and tells of orders."""

from collections import Counter
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, RootModel, model_validator

from controller.orders.actions import READ, Action
from controller.orders.model import (
    Order,
    OrderRequest,
    OrderState,
    Preview,
    Result,
    Scope,
    TargetKind,
    TargetResult,
)
from controller.web.models import ApiModel, example_config, omittable
from exporter.aliases import Alias

_MAX_IDS = 2000

_Id = Annotated[int, Field(ge=1, le=1_000_000)]
_Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Execute(ApiModel):
    model_config = ConfigDict(strict=True)

    action: _Name = Field(description="its name, as the options have it")
    alias: _Name | None = Field(
        default=None, description=f"what is to be read; with the action `{READ}` alone"
    )
    dry_run: bool = Field(default=False, description="only tell what it would take down")


class _ExecuteOnMany(_Execute):
    id: _Id | None = omittable(description="one target; in place of ids")
    ids: Annotated[list[_Id], Field(min_length=1, max_length=_MAX_IDS)] | None = omittable(
        description="several targets; in place of id"
    )

    @model_validator(mode="after")
    def _has_targets(self) -> Self:
        if len(self.model_fields_set & {"id", "ids"}) != 1 or not self.target_ids:
            raise ValueError("give either id or ids")
        return self

    @property
    def target_ids(self) -> tuple[int, ...]:
        """The ids that are meant."""
        return tuple(self.ids or ()) if self.id is None else (self.id,)


def _id_or_ids(**fields: Any) -> ConfigDict:
    """Return the configuration of a model that takes either `id` or `ids`, with an example."""
    either: list[JsonValue] = [{"required": ["id"]}, {"required": ["ids"]}]
    return ConfigDict(json_schema_extra={"examples": [fields], "oneOf": either})


class ExecuteOnRasps(_ExecuteOnMany):
    """An order on rasps, by their ids."""

    model_config = _id_or_ids(ids=[10, 11], action="ping")

    @property
    def request(self) -> OrderRequest:
        """What is wanted."""
        return OrderRequest(self.action, "rasps", self.target_ids, self.alias)


class ExecuteOnStacks(_ExecuteOnMany):
    """An order on stacks, by their numbers."""

    model_config = _id_or_ids(id=3, action="power_off", dry_run=True)

    force: bool = Field(default=False, description="cut power without shutting down first")

    @property
    def request(self) -> OrderRequest:
        """What is wanted."""
        return OrderRequest(self.action, "stacks", self.target_ids, self.alias, self.force)


class ExecuteOnRack(_Execute):
    """An order on the whole rack."""

    model_config = example_config(action="power_off", dry_run=True)

    force: bool = Field(default=False, description="cut power without shutting down first")

    @property
    def request(self) -> OrderRequest:
        """What is wanted."""
        return OrderRequest(self.action, "rack", (), self.alias, self.force)


class AliasResponse(ApiModel):
    """An alias that can be read."""

    model_config = example_config(
        name="cpu_temperature_celsius", help="Temperature of the system on chip."
    )

    name: str
    help: str

    @classmethod
    def of(cls, alias: Alias) -> Self:
        """Return what the API says of an alias."""
        return cls(name=alias.label, help=alias.help)


class ActionResponse(ApiModel):
    """An action that can be ordered."""

    action: str
    help: str
    is_synchronous: bool = Field(description="whether its order is over when it is answered")
    is_disruptive: bool = Field(description="whether rasps go down by it")
    aliases: list[AliasResponse] | None = Field(description="what can be read, with `read` alone")

    @classmethod
    def of(cls, action: Action, aliases: list[AliasResponse]) -> Self:
        """Return what the API says of an action; `aliases` are what can be read."""
        return cls(
            action=action.name,
            help=action.help,
            is_synchronous=action.is_synchronous,
            is_disruptive=action.is_disruptive,
            aliases=aliases if action.name == READ else None,
        )


class ReadingResponse(ApiModel):
    """One sample of an alias that was read."""

    labels: dict[str, str]
    value: float


class TargetResultResponse(ApiModel):
    """What came of an order for one rasp or stack."""

    kind: TargetKind
    target: str = Field(description="its name: `03-2`, `03`")
    id: int = Field(description="the rasp's id, or the stack's number")
    result: Result | None = Field(description="null as long as it is open")
    stage: str = Field(description="what is being done just now")
    detail: str = Field(description="why, or what was seen")
    output: str = Field(description="what the action printed")
    readings: list[ReadingResponse]

    @classmethod
    def of(cls, target_result: TargetResult) -> Self:
        """Return what the API says of an outcome."""
        return cls(
            kind=target_result.kind,
            target=target_result.target,
            id=target_result.id,
            result=target_result.result,
            stage=target_result.stage,
            detail=target_result.detail,
            output=target_result.output,
            readings=[
                ReadingResponse(labels=dict(each.labels), value=each.value)
                for each in target_result.readings
            ],
        )


class ResultCountsResponse(ApiModel):
    """How many results there are of each kind; `pending` are those still open."""

    ok: int
    failed: int
    unknown: int
    pending: int


class OrderResponse(ApiModel):
    """An order, and what came of it so far."""

    id: int
    action: str
    alias: str | None
    scope: Scope
    targets: list[str] = Field(description="the names of the rasps or stacks that it is for")
    force: bool
    actor: str = Field(description="a user, `token:NAME`, or `remedy:ALERT`")
    client_address: str = Field(description="the address that it came from")
    state: OrderState
    result: Result | None = Field(description="the worst of all results; null while it runs")
    started_at: float
    finished_at: float | None
    counts: ResultCountsResponse
    results: list[TargetResultResponse] = Field(
        description="for each target, and for the rasps of a stack that gets or loses power"
    )

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return what the API says of an order."""
        counts = Counter(outcome.result for outcome in order.results)
        return cls(
            id=order.id,
            action=order.request.action,
            alias=order.request.alias,
            scope=order.request.scope,
            targets=list(order.targets),
            force=order.request.force,
            actor=order.actor,
            client_address=order.client_address,
            state=order.state,
            result=order.result,
            started_at=order.started_at,
            finished_at=order.finished_at,
            counts=ResultCountsResponse(
                ok=counts[Result.OK],
                failed=counts[Result.FAILED],
                unknown=counts[Result.UNKNOWN],
                pending=counts[None],
            ),
            results=[TargetResultResponse.of(outcome) for outcome in order.results],
        )


class PreviewResponse(ApiModel):
    """What an order would do, were it given now."""

    model_config = example_config(
        action="power_off",
        takes_down=["03-1", "03-2", "03-4"],
        already_down=["03-3"],
        stacks=[3],
        warnings=[],
    )

    action: str
    affected: list[str] = Field(description="the rasps that would go down, by name")
    already_down: list[str] = Field(description="those that are down already")
    stacks: list[int] = Field(description="the stacks whose power it is about")
    warnings: list[str]

    @classmethod
    def of(cls, action: str, preview: Preview) -> Self:
        """Return what the API says of what an action would do."""
        return cls(
            action=action,
            affected=list(preview.affected),
            already_down=list(preview.already_down),
            stacks=list(preview.stacks),
            warnings=list(preview.warnings),
        )


class SubmitResponse(RootModel[OrderResponse | PreviewResponse]):
    """A quick order that is over or, of a dry run, what it would do."""


class OrdersQuery(ApiModel):
    """Which orders to list; all that are given must hold."""

    limit: int = Field(default=50, ge=1, le=500, description="How many, at most.")
    before: int | None = omittable(
        ge=1, le=2**62, description="An order's id: older ones alone.", examples=[120]
    )
    state: OrderState | None = omittable(description="How far they are.", examples=["done"])
    action: str | None = omittable(max_length=100, description="The action.", examples=["reboot"])
    target: str | None = omittable(
        max_length=100, description="The name of a rasp or a stack.", examples=["03-2"]
    )
    q: str | None = omittable(
        max_length=100,
        description="A part of who gave it, of its action or alias, or of a target's name.",
        examples=["alice"],
    )
