"""An order that runs: what is known of it just now, and whether it shall go on."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from controller.orders.model import Order, OrderState, Result, StepResult, TargetKind, TargetResult
from rack.layout import Slot, Stack

_TargetKey = tuple[TargetKind, int]


class OrderTracker:
    """Keeps the outcomes of an order while it runs.

    Changed in the orders' own thread alone; `order` may be asked for from any.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._results: dict[_TargetKey, TargetResult] = {
            (each.kind, each.id): each for each in order.results
        }

    @property
    def order(self) -> Order:
        """The order as it is now."""
        return replace(self._order, results=tuple(self._results.values()))

    @property
    def is_cancelled(self) -> bool:
        """Whether nothing more shall be begun."""
        return self._order.state is OrderState.CANCELLING

    def cancel(self) -> bool:
        """Let nothing more be begun; tell whether that was in time."""
        if self._order.state.is_over:
            return False
        self._order = replace(self._order, state=OrderState.CANCELLING)
        return True

    def set_stage(self, target: Slot | Stack, stage: str) -> None:
        """Tell what is being done for a rasp or a stack just now."""
        self._update(target, stage=stage)

    def set_result(self, target: Slot | Stack, step_result: StepResult, **fields: Any) -> None:
        """Tell what came of it for a rasp or a stack; see `TargetResult` for what more there is."""
        self._update(
            target, result=step_result.result, detail=step_result.detail, stage="", **fields
        )

    def finish(self, state: OrderState, finished_at: float, reason: str) -> Order:
        """Return the order as it ends; what is still open then is unknown, for this reason."""
        for key, outcome in self._results.items():
            if outcome.result is None:
                detail = f"{reason}, while {outcome.stage}" if outcome.stage else reason
                self._results[key] = replace(
                    outcome, result=Result.UNKNOWN, stage="", detail=detail
                )
        self._order = replace(self._order, state=state, finished_at=finished_at)
        return self.order

    def _update(self, target: Slot | Stack, **changes: Any) -> None:
        key = _target_key(target)
        self._results[key] = replace(self._results[key], **changes)


def _target_key(target: Slot | Stack) -> _TargetKey:
    return ("rasp", target.id) if isinstance(target, Slot) else ("stack", target.number)


def open_results_for_rasps(slots: Iterable[Slot]) -> tuple[TargetResult, ...]:
    """Return the open outcomes of an order on rasps."""
    return tuple(TargetResult("rasp", slot.name, slot.id) for slot in slots)


def open_results_for_stacks(
    stacks: Iterable[Stack], installed: Collection[tuple[int, int]]
) -> tuple[TargetResult, ...]:
    """Return the open outcomes of an order on stacks: each stack's, and those of its rasps.

    `installed` are the places, (stack, slot), in which a rasp is known.
    """
    return tuple(
        outcome
        for stack in stacks
        for outcome in (
            TargetResult("stack", stack.name, stack.number),
            *open_results_for_rasps(
                slot for slot in stack.slots if (slot.stack, slot.number) in installed
            ),
        )
    )
