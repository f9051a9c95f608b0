"""Progress of a running order."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from controller.orders.model import (
    Order,
    OrderState,
    PowerTiming,
    Result,
    StepResult,
    TargetKind,
    TargetResult,
    power_edge_cause,
)
from controller.orders.plan import OrderPlan
from rack.layout import Slot, Stack

_TargetKey = tuple[TargetKind, int]


class OrderTracker:
    """State and results of a running order.

    Only the thread of the orders may change the results. Any thread can read `order`.

    Args:
        order: The order at its start.
        plan: Its resolved request.
        timing: Times of a planned power cycle, or None.
    """

    def __init__(self, order: Order, plan: OrderPlan, timing: PowerTiming | None = None) -> None:
        self.plan = plan
        self.timing = timing
        self._order = order
        self._has_ended = False
        self._results: dict[_TargetKey, TargetResult] = {
            (result.kind, result.id): result for result in order.results
        }

    @property
    def order(self) -> Order:
        """Snapshot of the order."""
        return replace(self._order, results=tuple(self._results.values()))

    @property
    def cause(self) -> str:
        """Cause of the power edges of the order."""
        return power_edge_cause(self._order.id)

    @property
    def is_cancelled(self) -> bool:
        """Whether no new steps may start."""
        return self._order.state is OrderState.CANCELLING

    def cancel(self) -> bool:
        """Prevent new steps. Return False if the last step has ended."""
        if self._has_ended:
            return False
        self._order = replace(self._order, state=OrderState.CANCELLING)
        return True

    def set_stage(self, target: Slot | Stack, stage: str) -> None:
        """Set the current step for a rasp or a stack."""
        self._update(target, stage=stage)

    def set_result(self, target: Slot | Stack, step_result: StepResult, **fields: Any) -> None:
        """Set the final result for a rasp or a stack.

        Args:
            target: Slot of the rasp, or the stack.
            step_result: Result and detail.
            fields: Further fields of `TargetResult`.
        """
        self._update(
            target, result=step_result.result, detail=step_result.detail, stage="", **fields
        )

    def set_results(self, results: Mapping[Slot | Stack, StepResult]) -> None:
        """Set the final results of rasps and stacks."""
        for target, step_result in results.items():
            self.set_result(target, step_result)

    def add_to_details(self, note: Callable[[TargetResult], str]) -> None:
        """Append a note to the details of the results for which `note` returns one."""
        for key, result in self._results.items():
            if text := note(result):
                self._results[key] = replace(
                    result, detail="; ".join(filter(None, (result.detail, text)))
                )

    def end(self, state: OrderState, finished_at: float, reason: str) -> Order:
        """Return the order with its final state, in which open results are unknown for a reason.

        `order` has this state after `publish`, so that the order can be saved before.
        """
        for key, result in self._results.items():
            if result.result is None:
                detail = f"{reason}, while {result.stage}" if result.stage else reason
                self._results[key] = replace(result, result=Result.UNKNOWN, stage="", detail=detail)
        self._has_ended = True
        return replace(self.order, state=state, finished_at=finished_at)

    def publish(self, ended_order: Order) -> None:
        """Set the order to the result of `end`."""
        self._order = ended_order

    def _update(self, target: Slot | Stack, **changes: Any) -> None:
        key = _target_key(target)
        self._results[key] = replace(self._results[key], **changes)


def _target_key(target: Slot | Stack) -> _TargetKey:
    return ("rasp", target.id) if isinstance(target, Slot) else ("stack", target.number)
