"""The order book: all orders, those that are over and those that run. Kept in pirack.db.

An order is on the disk before anything of it is done, and again when it ends. What a controller
that was killed left open is `interrupted` when the next one starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from controller.errors import UnknownOrder
from controller.orders.order import Order, OrderState, Outcome, Result, Wanted
from rack.database import Database

KEPT = 5000
"""So many orders are kept, the newest."""

_TIDY_EVERY = 100
_GREATEST_ID = 2**63 - 1  # of SQLite
_OPEN = (OrderState.RUNNING, OrderState.CANCELLING)
_COLUMNS = (
    "id, action, alias, scope, ids, force, targets, who, origin, state, began, ended, outcomes"
)
_TEXT = "who || ' ' || action || ' ' || ifnull(alias, '') || ' ' || targets"

_IDS = TypeAdapter(tuple[int, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_OUTCOMES = TypeAdapter(tuple[Outcome, ...])


@dataclass(frozen=True, slots=True)
class Search:
    """Which orders somebody looks for; what is None does not matter.

    `before` is an order's id: older ones alone; `text` is a part of who gave it, of its action or
    alias, or of a target's name.
    """

    before: int | None = None
    state: OrderState | None = None
    action: str | None = None
    target: str | None = None
    text: str | None = None


class OrderBook:
    """The orders of a `Database`. Each method raises DatabaseError where it cannot be used."""

    def __init__(self, database: Database, *, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept

    def newest_id(self) -> int:
        """Return the newest order's id; 0 where there is none."""
        with self._database.connection() as connection:
            return int(connection.execute("SELECT ifnull(max(id), 0) FROM orders").fetchone()[0])

    def write(self, order: Order) -> None:
        """Write an order down as it is now; it is on the disk when this returns."""
        wanted = order.wanted
        row = (
            *(order.id, wanted.action, wanted.alias, wanted.scope),
            *(_IDS.dump_json(wanted.ids).decode(), wanted.force),
            *(_NAMES.dump_json(order.targets).decode(), order.who, order.origin, order.state),
            *(order.began, order.ended, _OUTCOMES.dump_json(order.outcomes).decode()),
        )
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                f"INSERT OR REPLACE INTO orders ({_COLUMNS})"  # noqa: S608 - our own words
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            if order.id % _TIDY_EVERY == 0:
                connection.execute("DELETE FROM orders WHERE id <= ?", (order.id - self._kept,))
            connection.execute("COMMIT")

    def read(self, number: int) -> Order:
        """Return the order with this id.

        Raises:
            UnknownOrder: there is none, or it is no longer kept.
        """
        if number <= _GREATEST_ID:
            for order in self._select("WHERE id = ?", [number]):
                return order
        raise UnknownOrder(f"no order {number}: see GET orders for those that are kept")

    def newest(self, count: int, search: Search | None = None) -> list[Order]:
        """Return the newest orders that fit, the newest first."""
        search = search or Search()
        conditions: dict[str, Any] = {
            "id < ?": search.before,
            "state = ?": search.state,
            "action = ?": search.action,
            "instr(targets, ?)": search.target and f'"{search.target}"',
            f"instr(lower({_TEXT}), lower(?))": search.text,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return list(self._select(f"{where} ORDER BY id DESC LIMIT ?", [*given.values(), count]))

    def interrupt(self, now: float) -> list[Order]:
        """Mark the orders as interrupted that an earlier controller left open; return them."""
        marks = ", ".join("?" for _ in _OPEN)
        left = list(self._select(f"WHERE state IN ({marks})", list(_OPEN)))
        interrupted = [_interrupted(order, now) for order in left]
        for order in interrupted:
            self.write(order)
        return interrupted

    def _select(self, rest: str, values: list[Any]) -> Iterable[Order]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM orders {rest}",  # noqa: S608 - our own words
                values,
            ).fetchall()
        return map(_order, rows)


def _order(row: tuple[Any, ...]) -> Order:
    number, action, alias, scope, ids, force, targets, who, origin, state, began, ended, rest = row
    return Order(
        id=number,
        wanted=Wanted(action, scope, _IDS.validate_json(ids), alias, bool(force)),
        targets=_NAMES.validate_json(targets),
        who=who,
        origin=origin,
        began=began,
        state=OrderState(state),
        ended=ended,
        outcomes=_OUTCOMES.validate_json(rest),
    )


def _interrupted(order: Order, now: float) -> Order:
    why = "the controller ended before this order did"
    return replace(
        order,
        state=OrderState.INTERRUPTED,
        ended=now,
        outcomes=tuple(
            outcome
            if outcome.result
            else replace(outcome, result=Result.UNKNOWN, stage="", detail=why)
            for outcome in order.outcomes
        ),
    )
