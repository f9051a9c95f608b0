"""Marks of events above the lanes of the rack page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from flask import url_for

from controller.orders.model import OrderHeader
from controller.state.lanes import TimeWindow
from rack.names import stack_name
from rack.power.edges import Edge


@dataclass(frozen=True, slots=True)
class Mark:
    """An event.

    Attributes:
        time: Seconds since the epoch.
        kind: `order` or `power`. The marks of a kind are on a line.
        stacks: Names of the affected stacks.
        title: Short description.
        link: Address of the page of the event, or "".
    """

    time: float
    kind: str
    stacks: tuple[str, ...]
    title: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class FoldedMark:
    """Marks of one kind during a step: the first one, and the number of others."""

    mark: Mark
    others: int


def order_marks(orders: Iterable[OrderHeader]) -> list[Mark]:
    """Return the marks of the starts of orders."""
    return [
        Mark(
            order.started_at,
            "order",
            tuple(dict.fromkeys(target.split("-")[0] for target in order.targets)),
            f"order {order.id}: {order.request.action} by {order.actor}",
            url_for("order_pages.show", order_id=order.id),
        )
        for order in orders
    ]


def power_marks(edges: Iterable[Edge]) -> list[Mark]:
    """Return the marks of changes of power."""
    return [
        Mark(
            edge.time,
            "power",
            (stack_name(edge.stack),),
            f"{edge.name} power {'on' if edge.is_on else 'off'}: {edge.cause}",
        )
        for edge in edges
    ]


def fold_marks(marks: Iterable[Mark], window: TimeWindow) -> Sequence[FoldedMark]:
    """Fold the marks of each kind that are in the same step of a window, oldest first."""
    folded: dict[tuple[str, int], FoldedMark] = {}
    for mark in sorted(marks, key=lambda mark: mark.time):
        key = mark.kind, int((mark.time - window.start) // window.step)
        first = folded.get(key)
        if first is None:
            folded[key] = FoldedMark(mark, 0)
            continue
        stacks = tuple(sorted({*first.mark.stacks, *mark.stacks}))
        folded[key] = FoldedMark(replace(first.mark, stacks=stacks), first.others + 1)
    return tuple(folded.values())
