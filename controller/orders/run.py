"""An order that runs: what is known of it just now, and whether it shall go on."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from controller.orders.order import Kind, Order, OrderState, Outcome, Result, Verdict
from rack.layout import Slot, Stack

_Key = tuple[Kind, int]


class Run:
    """Keeps the outcomes of an order while it runs.

    Changed in the orders' own thread alone; `order` may be asked for from any.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._outcomes: dict[_Key, Outcome] = {
            (each.kind, each.id): each for each in order.outcomes
        }

    @property
    def order(self) -> Order:
        """The order as it is now."""
        return replace(self._order, outcomes=tuple(self._outcomes.values()))

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

    def stage(self, place: Slot | Stack, stage: str) -> None:
        """Tell what is being done for a rasp or a stack just now."""
        self._change(place, stage=stage)

    def end(self, place: Slot | Stack, verdict: Verdict, **more: Any) -> None:
        """Tell what came of it for a rasp or a stack; see `Outcome` for what more there is."""
        self._change(place, result=verdict.result, detail=verdict.detail, stage="", **more)

    def close(self, state: OrderState, ended: float, why: str) -> Order:
        """Return the order as it ends; what is still open then is unknown, for this reason."""
        for key, outcome in self._outcomes.items():
            if outcome.result is None:
                detail = f"{why}, while {outcome.stage}" if outcome.stage else why
                self._outcomes[key] = replace(
                    outcome, result=Result.UNKNOWN, stage="", detail=detail
                )
        self._order = replace(self._order, state=state, ended=ended)
        return self.order

    def _change(self, place: Slot | Stack, **changes: Any) -> None:
        key = _key(place)
        self._outcomes[key] = replace(self._outcomes[key], **changes)


def _key(place: Slot | Stack) -> _Key:
    return ("rasp", place.id) if isinstance(place, Slot) else ("stack", place.number)


def outcomes_of_rasps(slots: Iterable[Slot]) -> tuple[Outcome, ...]:
    """Return the open outcomes of an order on rasps."""
    return tuple(Outcome("rasp", slot.name, slot.id) for slot in slots)


def outcomes_of_stacks(
    stacks: Iterable[Stack], installed: Collection[tuple[int, int]]
) -> tuple[Outcome, ...]:
    """Return the open outcomes of an order on stacks: each stack's, and those of its rasps.

    `installed` are the places, (stack, slot), in which a rasp is known.
    """
    return tuple(
        outcome
        for stack in stacks
        for outcome in (
            Outcome("stack", stack.name, stack.number),
            *outcomes_of_rasps(
                slot for slot in stack.slots if (slot.stack, slot.number) in installed
            ),
        )
    )
