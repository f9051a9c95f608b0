"""Storage of orders in pirack.db.

An order is saved before its first step and when it finishes. Orders that a killed controller left
unfinished are marked as interrupted at the next start.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from controller.errors import UnknownOrderError
from controller.orders.model import (
    Order,
    OrderRequest,
    OrderState,
    OrderSummary,
    Result,
    TargetResult,
)
from rack.database import MAX_ROW_ID, Database, where_clause

MAX_ORDERS = 5000
"""Maximum number of stored orders. Older orders are deleted."""

INTERRUPTED_REASON = "the controller stopped before the order finished"
"""Detail of results that were open when the controller stopped."""

_PRUNE_INTERVAL = 100
_UNFINISHED_STATES = (OrderState.RUNNING, OrderState.CANCELLING)
_SUMMARY_COLUMNS = (
    "id, action, alias, scope, ids, force, targets, actor, client_address, state, started_at,"
    " finished_at"
)
_COLUMNS = f"{_SUMMARY_COLUMNS}, results"
# The results of an order can be large. SQLite reads them without Python objects.
_RESULT_NAMES = (
    "(SELECT group_concat(ifnull(json_extract(value, '$.result'), '')) FROM json_each(results))"
)
_SEARCHED_TEXT = "actor || ' ' || action || ' ' || ifnull(alias, '') || ' ' || targets"

_IDS = TypeAdapter(tuple[int, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_RESULTS = TypeAdapter(tuple[TargetResult, ...])


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Conditions for orders, all of which must match. The value None matches every order.

    Args:
        before: Upper limit of the id, exclusive.
        state: State of the order.
        action: Name of the action.
        target: Name of a target.
        text: Part of the actor, the action, the alias or the name of a target.
    """

    before: int | None = None
    state: OrderState | None = None
    action: str | None = None
    target: str | None = None
    text: str | None = None


class OrderStore:
    """Orders in a database. All methods raise `DatabaseError` if the database cannot be used."""

    def __init__(self, database: Database, *, max_orders: int = MAX_ORDERS) -> None:
        self._database = database
        self._max_orders = max_orders

    def newest_id(self) -> int:
        """Return the largest id, 0 if there are no orders."""
        with self._database.connection() as connection:
            return int(connection.execute("SELECT ifnull(max(id), 0) FROM orders").fetchone()[0])

    def save(self, order: Order) -> None:
        """Save a snapshot of an order and commit it."""
        request = order.request
        row = (
            order.id,
            request.action,
            request.alias,
            request.scope,
            _IDS.dump_json(request.ids).decode(),
            request.force,
            _NAMES.dump_json(order.targets).decode(),
            order.actor,
            order.client_address,
            order.state,
            order.started_at,
            order.finished_at,
            _RESULTS.dump_json(order.results).decode(),
        )
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                f"INSERT OR REPLACE INTO orders ({_COLUMNS})"  # noqa: S608 - a constant
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
            UnknownOrderError: If the order does not exist or was deleted.
        """
        if number <= MAX_ROW_ID:
            for order in self._select("WHERE id = ?", [number]):
                return order
        raise UnknownOrderError(f"no order {number}: the list of orders shows the stored orders")

    def list_recent(
        self, limit: int, order_filter: OrderFilter | None = None
    ) -> list[OrderSummary]:
        """Return the matching orders without their results, newest first."""
        order_filter = order_filter or OrderFilter()
        conditions: dict[str, Any] = {
            "id < ?": order_filter.before,
            "state = ?": order_filter.state,
            "action = ?": order_filter.action,
            "instr(targets, ?)": order_filter.target and f'"{order_filter.target}"',
            f"instr(lower({_SEARCHED_TEXT}), lower(?))": order_filter.text,
        }
        return self._summaries(conditions, limit)

    def list_between(self, start: float, end: float, limit: int) -> list[OrderSummary]:
        """Return the newest orders that were started after `start` and until `end`.

        They have no results, and the newest one is the first.
        """
        return self._summaries({"started_at > ?": start, "started_at <= ?": end}, limit)

    def mark_interrupted(self, now: float) -> list[Order]:
        """Mark unfinished orders as interrupted and return them, while no order is running."""
        marks = ", ".join("?" for _ in _UNFINISHED_STATES)
        unfinished = list(self._select(f"WHERE state IN ({marks})", list(_UNFINISHED_STATES)))
        interrupted = [_as_interrupted(order, now) for order in unfinished]
        for order in interrupted:
            self.save(order)
        return interrupted

    def _summaries(self, conditions: Mapping[str, Any], limit: int) -> list[OrderSummary]:
        where, values = where_clause(conditions)
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_SUMMARY_COLUMNS}, {_RESULT_NAMES} FROM orders {where}"  # noqa: S608 - constants
                " ORDER BY id DESC LIMIT ?",
                [*values, limit],
            )
            return [_summary_from_row(row) for row in rows]

    def _select(self, clauses: str, values: list[Any]) -> Iterable[Order]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM orders {clauses}",  # noqa: S608 - constants
                values,
            ).fetchall()
        return map(_order_from_row, rows)


def _order_from_row(row: tuple[Any, ...]) -> Order:
    *header, results = row
    return Order(**_header_fields(header), results=_RESULTS.validate_json(results))


def _summary_from_row(row: tuple[Any, ...]) -> OrderSummary:
    *header, result_names = row
    names = [] if result_names is None else result_names.split(",")
    counts = Counter(Result(name) if name else None for name in names)
    return OrderSummary(**_header_fields(header), counts=counts)


def _header_fields(row: list[Any]) -> dict[str, Any]:
    (
        number, action, alias, scope, ids, force, targets, actor, client_address, state,
        started_at, finished_at,
    ) = row  # fmt: skip
    return {
        "id": number,
        "request": OrderRequest(action, scope, _IDS.validate_json(ids), alias, bool(force)),
        "targets": _NAMES.validate_json(targets),
        "actor": actor,
        "client_address": client_address,
        "started_at": started_at,
        "state": OrderState(state),
        "finished_at": finished_at,
    }


def _as_interrupted(order: Order, now: float) -> Order:
    return replace(
        order,
        state=OrderState.INTERRUPTED,
        finished_at=now,
        results=tuple(
            result
            if result.result
            else replace(result, result=Result.UNKNOWN, stage="", detail=INTERRUPTED_REASON)
            for result in order.results
        ),
    )
