"""An order: one action on its way on given targets, and what came of it for each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Scope = Literal["rasps", "stacks", "rack"]
TargetKind = Literal["rasp", "stack"]


class Result(StrEnum):
    """What came of it. `unknown`: nobody can tell whether it was done."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class OrderState(StrEnum):
    """How far an order is.

    `cancelling`: nothing more is begun, and what was begun goes to its end. `interrupted`: the
    controller ended before the order did.
    """

    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in {OrderState.RUNNING, OrderState.CANCELLING}


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What somebody wants done.

    `ids` are rasps' ids or stacks' numbers, after `scope`; none for the rack. `alias` is what is to
    be read, where the action is `read`. `force` cuts power without shutting down first.
    """

    action: str
    scope: Scope
    ids: tuple[int, ...] = ()
    alias: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of an alias, with its own labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class TargetResult:
    """What came of an order for one rasp or stack.

    `target` is its name, `03-2` or `03`; `id` the rasp's id or the stack's number; `result` None as
    long as it is open; `stage` what is being done just now; `detail` why, or what was seen, in one
    line; `output` what the action printed; `readings` what was read.
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
    """What came of one step for a rasp or a stack, and why."""

    result: Result
    detail: str

    def combined_with(self, later: "StepResult") -> "StepResult":
        """Return what came of this step and a later one together."""
        return StepResult(worst((self.result, later.result)), f"{self.detail}; {later.detail}")


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is at one moment. Times are in seconds since the epoch.

    `targets` are the names of what it was given for, `results` tell of these, and of the rasps of
    a stack that is given or loses power.
    """

    id: int
    request: OrderRequest
    targets: tuple[str, ...]
    actor: str
    client_address: str
    started_at: float
    state: OrderState = OrderState.RUNNING
    finished_at: float | None = None
    results: tuple[TargetResult, ...] = field(default=())

    @property
    def result(self) -> Result | None:
        """What came of it as a whole; None as long as it runs."""
        if not self.state.is_over:
            return None
        return worst(outcome.result or Result.UNKNOWN for outcome in self.results)

    @property
    def title(self) -> str:
        """What it is, in words for people: `order 12: power_off`."""
        return f"order {self.id}: {self.request.action}"


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would do, were it given now.

    `affected` are the names of the rasps that would go down, `already_down` of those that are;
    `stacks` the numbers of those that would lose power; `warnings` what to think of before.
    """

    affected: tuple[str, ...]
    already_down: tuple[str, ...]
    stacks: tuple[int, ...]
    warnings: tuple[str, ...]


def ok(detail: str = "") -> StepResult:
    """Return that it was done."""
    return StepResult(Result.OK, detail)


def failed(detail: str) -> StepResult:
    """Return that it was not done, and why."""
    return StepResult(Result.FAILED, detail)


def unknown(detail: str) -> StepResult:
    """Return that nobody can tell whether it was done, and why."""
    return StepResult(Result.UNKNOWN, detail)


def worst(results: Iterable[Result]) -> Result:
    """Return `failed` if any has failed, else `unknown` if any is, else `ok`."""
    seen = set(results)
    order: Sequence[Result] = (Result.FAILED, Result.UNKNOWN)
    return next((result for result in order if result in seen), Result.OK)
