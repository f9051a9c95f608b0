"""Orders, their requests and their results."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Literal

Scope = Literal["rasps", "stacks", "rack"]
TargetKind = Literal["rasp", "stack"]

POWER_RETURN = "power return"
"""Actor of the orders that return power after an interrupted power cycle."""

_MAX_LISTED_TARGETS = 4


class Result(StrEnum):
    """Result for one target. The detail says what was observed.

    `ok`: the steps were done, and every observation agrees. `unknown`: an observation that the
    result requires was not possible.
    """

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class OrderState(StrEnum):
    """State of an order.

    `cancelling`: no new steps are started, and running steps are completed.
    `interrupted`: the controller stopped before the order finished.
    """

    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self not in {OrderState.RUNNING, OrderState.CANCELLING}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A request to run an action on targets.

    Args:
        action: Name of the action.
        scope: Kind of the targets.
        ids: Ids of rasps or numbers of stacks, empty for the rack.
        alias: Label of the alias, for the action `read` only.
        force: Whether to cut power without shutting the rasps down first.
    """

    action: str
    scope: Scope
    ids: tuple[int, ...] = ()
    alias: str | None = None
    force: bool = False

    @property
    def label(self) -> str:
        """Text for people, for example `power cycle (force)`."""
        label = f"read {self.alias}" if self.alias else self.action.replace("_", " ")
        return f"{label} (force)" if self.force else label


@dataclass(frozen=True, slots=True)
class PowerTiming:
    """Times of a power cycle that an experiment plans. HTTP requests cannot set them.

    Args:
        off_seconds: Seconds from the power cut until the power returns.
        at: Time at which a forced order cuts the power, or another order starts to shut rasps
            down, in seconds since the boot of the master. None for as soon as possible.
    """

    off_seconds: float
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of an alias, with its own labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Progress and result of an order for one rasp or stack.

    Args:
        kind: Rasp or stack.
        target: Name of the rasp or stack, for example `03-2` or `03`.
        id: Id of the rasp, or number of the stack.
        result: None until the result is final.
        stage: The current step, empty if none is running.
        detail: Reason for the result, in one line.
        output: Output of the action.
        readings: Samples of the alias.
    """

    kind: TargetKind
    target: str
    id: int
    result: Result | None = None
    stage: str = ""
    detail: str = ""
    output: str = ""
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one step for a rasp or a stack, with its reason."""

    result: Result
    detail: str

    def combined_with(self, later: "StepResult") -> "StepResult":
        """Return the combined result of this step and a later step."""
        return StepResult(worst((self.result, later.result)), f"{self.detail}; {later.detail}")


@dataclass(frozen=True, slots=True)
class OrderHeader:
    """An order without the results of its targets.

    Args:
        id: Number of the order, from 1.
        request: The request as submitted.
        targets: Names of the targets.
        actor: User, token or alert that submitted the order.
        client_address: Address of the client.
        started_at: Seconds since the epoch.
        state: The current state.
        finished_at: Seconds since the epoch, None while the order runs.
    """

    id: int
    request: OrderRequest
    targets: tuple[str, ...]
    actor: str
    client_address: str
    started_at: float
    state: OrderState = OrderState.RUNNING
    finished_at: float | None = None

    @property
    def target_text(self) -> str:
        """Targets for people. See `describe_targets`."""
        return describe_targets(self.request, self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummary(OrderHeader):
    """An order with the number of targets for each result.

    Args:
        counts: Number of targets with each result. None is the key of open results.
    """

    counts: Mapping[Result | None, int]

    @property
    def result(self) -> Result | None:
        """The worst of all results, None while the order runs."""
        if not self.state.is_over:
            return None
        return worst(result or Result.UNKNOWN for result, count in self.counts.items() if count)


@dataclass(frozen=True, slots=True)
class Order(OrderHeader):
    """Snapshot of an order.

    Args:
        results: Results of the targets and, for power actions on stacks, of their rasps.
    """

    results: tuple[TargetResult, ...] = ()

    @property
    def result(self) -> Result | None:
        """The worst of all results, None while the order runs."""
        return self.summary.result

    @property
    def summary(self) -> OrderSummary:
        """The order without the results of its targets."""
        header: dict[str, Any] = {
            each.name: getattr(self, each.name) for each in fields(OrderHeader)
        }
        return OrderSummary(**header, counts=Counter(each.result for each in self.results))

    @property
    def title(self) -> str:
        """Id and action, for example `order 12: power_off`."""
        return f"order {self.id}: {self.request.action}"


@dataclass(frozen=True, slots=True)
class Preview:
    """Effects that an order would have now.

    Args:
        affected: Names of the rasps that would go down.
        already_down: Names of the rasps that are down.
        stacks: Numbers of the stacks that would be switched off as a whole.
        outlets: Labels of the outlets that would be switched off.
        warnings: Risks of the order.
    """

    affected: tuple[str, ...] = ()
    already_down: tuple[str, ...] = ()
    stacks: tuple[int, ...] = ()
    outlets: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def describe_targets(request: OrderRequest, targets: Sequence[str]) -> str:
    """Return the targets of a request for people: `stack 03` or `01-1 … 12-4 (48)`."""
    if request.scope == "rack":
        return "whole rack"
    count = len(targets)
    text = ", ".join(targets)
    if count > _MAX_LISTED_TARGETS:
        text = f"{targets[0]} … {targets[-1]} ({count})"
    if request.scope == "stacks" and request.action.startswith("power_"):
        return f"{'stacks' if count > 1 else 'stack'} {text}"
    return text


def ok(detail: str = "") -> StepResult:
    """Return the result of a step that was done."""
    return StepResult(Result.OK, detail)


def failed(detail: str) -> StepResult:
    """Return the result of a step that was not done."""
    return StepResult(Result.FAILED, detail)


def unknown(detail: str) -> StepResult:
    """Return the result of a step whose effect could not be verified."""
    return StepResult(Result.UNKNOWN, detail)


def worst(results: Iterable[Result]) -> Result:
    """Return the worst result. From best to worst: `ok`, `unknown`, `failed`."""
    present = set(results)
    severity: Sequence[Result] = (Result.FAILED, Result.UNKNOWN)
    return next((result for result in severity if result in present), Result.OK)


def power_edge_cause(order: int) -> str:
    """Return the cause of the power edges of an order."""
    return f"order {order}"
