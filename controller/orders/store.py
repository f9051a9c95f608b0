"""The order book: all orders, those that are over and those that run. Kept in pirack.db.

An order is on the disk before anything of it is done, and again when it ends. What a controller
that was killed left open is `interrupted` when the next one starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from controller.errors import UnknownOrderError
from controller.orders.model import Order, OrderRequest, OrderState, Result, TargetResult
from rack.database import Database

MAX_ORDERS = 5000
"""So many orders are kept, the newest."""

_PRUNE_INTERVAL = 100
_MAX_ID = 2**63 - 1  # of SQLite
_UNFINISHED_STATES = (OrderState.RUNNING, OrderState.CANCELLING)
_COLUMNS = (
    "id, action, alias, scope, ids, force, targets, who, origin, state, began, ended, outcomes"
)
_SEARCHED_TEXT = "who || ' ' || action || ' ' || ifnull(alias, '') || ' ' || targets"

_IDS = TypeAdapter(tuple[int, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_RESULTS = TypeAdapter(tuple[TargetResult, ...])


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders somebody looks for; what is None does not matter.

    `before` is an order's id: older ones alone; `text` is a part of who gave it, of its action or
    alias, or of a target's name.
    """

    before: int | None = None
    state: OrderState | None = None
    action: str | None = None
    target: str | None = None
    text: str | None = None


class OrderStore:
    """The orders of a `Database`. Each method raises DatabaseError where it cannot be used."""

    def __init__(self, database: Database, *, max_orders: int = MAX_ORDERS) -> None:
        self._database = database
        self._max_orders = max_orders

    def newest_id(self) -> int:
        """Return the newest order's id; 0 where there is none."""
        with self._database.connection() as connection:
            return int(connection.execute("SELECT ifnull(max(id), 0) FROM orders").fetchone()[0])

    def save(self, order: Order) -> None:
        """Write an order down as it is now; it is on the disk when this returns."""
        wanted = order.request
        row = (
            *(order.id, wanted.action, wanted.alias, wanted.scope),
            *(_IDS.dump_json(wanted.ids).decode(), wanted.force),
            *(
                _NAMES.dump_json(order.targets).decode(),
                order.actor,
                order.client_address,
                order.state,
            ),
            *(order.started_at, order.finished_at, _RESULTS.dump_json(order.results).decode()),
        )
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                f"INSERT OR REPLACE INTO orders ({_COLUMNS})"  # noqa: S608 - our own words
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            if order.id % _PRUNE_INTERVAL == 0:
                connection.execute(
                    "DELETE FROM orders WHERE id <= ?", (order.id - self._max_orders,)
                )
            connection.execute("COMMIT")

    def get(self, number: int) -> Order:
        """Return the order with this id.

        Raises:
            UnknownOrder: there is none, or it is no longer kept.
        """
        if number <= _MAX_ID:
            for order in self._select("WHERE id = ?", [number]):
                return order
        raise UnknownOrderError(f"no order {number}: see GET orders for those that are kept")

    def list_recent(self, limit: int, order_filter: OrderFilter | None = None) -> list[Order]:
        """Return the newest orders that fit, the newest first."""
        order_filter = order_filter or OrderFilter()
        conditions: dict[str, Any] = {
            "id < ?": order_filter.before,
            "state = ?": order_filter.state,
            "action = ?": order_filter.action,
            "instr(targets, ?)": order_filter.target and f'"{order_filter.target}"',
            f"instr(lower({_SEARCHED_TEXT}), lower(?))": order_filter.text,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return list(self._select(f"{where} ORDER BY id DESC LIMIT ?", [*given.values(), limit]))

    def mark_interrupted(self, now: float) -> list[Order]:
        """Mark the orders as interrupted that an earlier controller left open; return them."""
        marks = ", ".join("?" for _ in _UNFINISHED_STATES)
        left = list(self._select(f"WHERE state IN ({marks})", list(_UNFINISHED_STATES)))
        interrupted = [_as_interrupted(order, now) for order in left]
        for order in interrupted:
            self.save(order)
        return interrupted

    def _select(self, clauses: str, values: list[Any]) -> Iterable[Order]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM orders {clauses}",  # noqa: S608 - our own words
                values,
            ).fetchall()
        return map(_order_from_row, rows)


def _order_from_row(row: tuple[Any, ...]) -> Order:
    number, action, alias, scope, ids, force, targets, who, origin, state, began, ended, rest = row
    return Order(
        id=number,
        request=OrderRequest(action, scope, _IDS.validate_json(ids), alias, bool(force)),
        targets=_NAMES.validate_json(targets),
        actor=who,
        client_address=origin,
        started_at=began,
        state=OrderState(state),
        finished_at=ended,
        results=_RESULTS.validate_json(rest),
    )


def _as_interrupted(order: Order, now: float) -> Order:
    why = "the controller ended before this order did"
    return replace(
        order,
        state=OrderState.INTERRUPTED,
        finished_at=now,
        results=tuple(
            outcome
            if outcome.result
            else replace(outcome, result=Result.UNKNOWN, stage="", detail=why)
            for outcome in order.results
        ),
    )
