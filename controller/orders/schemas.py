"""API models of orders."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, RootModel, model_validator

from controller.orders.actions import READ, Action
from controller.orders.model import (
    Order,
    OrderRequest,
    OrderState,
    OrderSummary,
    Preview,
    Result,
    Scope,
    TargetKind,
    TargetResult,
)
from controller.web.models import ApiModel, TargetId, example_config, omittable
from exporter.aliases import Alias
from rack.database import MAX_ROW_ID
from rack.layout import Rack
from rack.targets import resolve_slot, resolve_stack

_MAX_IDS = 2000

_Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Execute(ApiModel):
    model_config = ConfigDict(strict=True)

    action: _Name = Field(description="Name of an action from the list of actions.")
    alias: _Name | None = Field(
        default=None, description=f"Alias to read, for the action `{READ}` only."
    )
    dry_run: bool = Field(
        default=False, description="Return the effects without starting the order."
    )


class _ExecuteOnMany(_Execute):
    id: TargetId | None = omittable(description="One target, instead of `ids`.")
    ids: Annotated[list[TargetId], Field(min_length=1, max_length=_MAX_IDS)] | None = omittable(
        description="Several targets, instead of `id`: ids or names of rasps, numbers or names of"
        " stacks."
    )

    @model_validator(mode="after")
    def _has_targets(self) -> Self:
        if len(self.model_fields_set & {"id", "ids"}) != 1 or not self.target_ids:
            raise ValueError("set either id or ids")
        return self

    @property
    def target_ids(self) -> tuple[str, ...]:
        """The requested ids and names."""
        return tuple(map(str, (self.ids or ()) if self.id is None else (self.id,)))


def _id_or_ids(**fields: Any) -> ConfigDict:
    """Return a configuration that requires either `id` or `ids`, with an example."""
    one_of: list[JsonValue] = [{"required": ["id"]}, {"required": ["ids"]}]
    return ConfigDict(json_schema_extra={"examples": [fields], "oneOf": one_of})


class ExecuteOnRasps(_ExecuteOnMany):
    """Order for rasps."""

    model_config = _id_or_ids(ids=[10, "03-3"], action="ping")

    force: bool = Field(
        default=False, description="Cut power without shutting the rasps down first."
    )

    def request_for(self, rack: Rack) -> OrderRequest:
        """Return the order request. Raise `UnknownTargetError` if a rasp does not exist."""
        ids = tuple(resolve_slot(rack, text).id for text in self.target_ids)
        return OrderRequest(self.action, "rasps", ids, self.alias, self.force)


class ExecuteOnStacks(_ExecuteOnMany):
    """Order for stacks."""

    model_config = _id_or_ids(id=3, action="power_off", dry_run=True)

    force: bool = Field(default=False, description="Cut power without shutting rasps down first.")

    def request_for(self, rack: Rack) -> OrderRequest:
        """Return the order request. Raise `UnknownTargetError` if a stack does not exist."""
        ids = tuple(resolve_stack(rack, text).number for text in self.target_ids)
        return OrderRequest(self.action, "stacks", ids, self.alias, self.force)


class ExecuteOnRack(_Execute):
    """Order for the whole rack."""

    model_config = example_config(action="power_off", dry_run=True)

    force: bool = Field(default=False, description="Cut power without shutting rasps down first.")

    @property
    def request(self) -> OrderRequest:
        """The order request."""
        return OrderRequest(self.action, "rack", (), self.alias, self.force)


class AliasResponse(ApiModel):
    """Alias that can be read."""

    model_config = example_config(
        name="cpu_temperature_celsius", help="Temperature of the system on chip."
    )

    name: str
    help: str

    @classmethod
    def of(cls, alias: Alias) -> Self:
        """Return the response for an alias."""
        return cls(name=alias.label, help=alias.help)


class ActionResponse(ApiModel):
    """Action that an order can run."""

    action: str
    help: str
    is_synchronous: bool = Field(description="Whether the response contains the final result.")
    is_disruptive: bool = Field(description="Whether the action takes rasps down.")
    aliases: list[AliasResponse] | None = Field(
        description="Aliases that can be read, for `read` only."
    )

    @classmethod
    def of(cls, action: Action, aliases: list[AliasResponse]) -> Self:
        """Return the response for an action. `aliases` can be read."""
        return cls(
            action=action.name,
            help=action.help,
            is_synchronous=action.is_synchronous,
            is_disruptive=action.is_disruptive,
            aliases=aliases if action.name == READ else None,
        )


class ReadingResponse(ApiModel):
    """Sample of an alias."""

    labels: dict[str, str]
    value: float


class TargetResultResponse(ApiModel):
    """Progress and result of an order for one rasp or stack."""

    kind: TargetKind
    target: str = Field(description="Name, for example `03-2` or `03`.")
    id: int = Field(description="Id of the rasp, or number of the stack.")
    result: Result | None = Field(description="Null until the result is final.")
    stage: str = Field(description="Current step.")
    detail: str = Field(description="Reason for the result.")
    output: str = Field(description="Output of the action.")
    readings: list[ReadingResponse]

    @classmethod
    def of(cls, target_result: TargetResult) -> Self:
        """Return the response for one target."""
        return cls(
            kind=target_result.kind,
            target=target_result.target,
            id=target_result.id,
            result=target_result.result,
            stage=target_result.stage,
            detail=target_result.detail,
            output=target_result.output,
            readings=[
                ReadingResponse(labels=dict(reading.labels), value=reading.value)
                for reading in target_result.readings
            ],
        )


class ResultCountsResponse(ApiModel):
    """Number of targets for each result. `pending`: the result is not final yet."""

    ok: int
    failed: int
    unknown: int
    pending: int


class OrderSummaryResponse(ApiModel):
    """Order without the results of its targets."""

    id: int
    action: str
    alias: str | None
    scope: Scope
    targets: list[str] = Field(description="Names of the rasps or stacks.")
    force: bool
    actor: str = Field(
        description="User, `token:NAME`, `remediation:ALERT`, `experiment RUN` or `power return`."
    )
    client_address: str = Field(description="Address of the client.")
    state: OrderState
    result: Result | None = Field(description="Worst of all results, null while the order runs.")
    started_at: float
    finished_at: float | None
    counts: ResultCountsResponse

    @classmethod
    def of_summary(cls, order: OrderSummary, **further_fields: Any) -> Self:
        """Return the response for an order."""
        counts = order.counts
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
                ok=counts.get(Result.OK, 0),
                failed=counts.get(Result.FAILED, 0),
                unknown=counts.get(Result.UNKNOWN, 0),
                pending=counts.get(None, 0),
            ),
            **further_fields,
        )


class OrderResponse(OrderSummaryResponse):
    """Order with its current results."""

    results: list[TargetResultResponse] = Field(
        description="Results of the targets and, for power actions on stacks, of their rasps."
    )

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return the response for an order."""
        results = [TargetResultResponse.of(result) for result in order.results]
        return cls.of_summary(order.summary, results=results)


class PreviewResponse(ApiModel):
    """Effects that an order would have now."""

    model_config = example_config(
        action="power_off",
        affected=["03-1", "03-2", "03-4"],
        already_down=["03-3"],
        stacks=[3],
        outlets=["GPIO18"],
        warnings=[],
    )

    action: str
    affected: list[str] = Field(description="Names of the rasps that would go down.")
    already_down: list[str] = Field(description="Names of the rasps that are down.")
    stacks: list[int] = Field(
        description="Numbers of the stacks that would be switched off as a whole."
    )
    outlets: list[str] = Field(description="Outlets that would be switched off.")
    warnings: list[str]

    @classmethod
    def of(cls, action: str, preview: Preview) -> Self:
        """Return the response for a preview."""
        return cls(
            action=action,
            affected=list(preview.affected),
            already_down=list(preview.already_down),
            stacks=list(preview.stacks),
            outlets=list(preview.outlets),
            warnings=list(preview.warnings),
        )


class SubmitResponse(RootModel[OrderResponse | PreviewResponse]):
    """Finished order of a synchronous action, or the preview of a dry run."""


class OrdersQuery(ApiModel):
    """Filters of `GET orders`. An order must match all given filters."""

    limit: int = Field(default=50, ge=1, le=500, description="Maximum number of orders.")
    before: int | None = omittable(
        ge=1, le=MAX_ROW_ID, description="Order id. Only older orders are listed.", examples=[120]
    )
    state: OrderState | None = omittable(description="State of the order.", examples=["done"])
    action: str | None = omittable(
        max_length=100, description="Name of the action.", examples=["reboot"]
    )
    target: str | None = omittable(
        max_length=100, description="Name of a rasp or a stack.", examples=["03-2"]
    )
    q: str | None = omittable(
        max_length=100,
        description="Part of the actor, the action, the alias or the name of a target.",
        examples=["alice"],
    )
