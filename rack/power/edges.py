"""Changes of the power of outlets: what was planned, when they were switched, what was observed.

An edge is saved in the transaction that saves the commanded power, before an outlet is switched.
Its times are saved after the outlets were switched, so that the database delays no outlet. An edge
without times means that the process was killed in between, and the outlet may have been switched.

All times are from the clocks of the master. A change of power while no controller runs, for example
a power failure of the master, and a change by `relays.after_boot` are not edges.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rack.clock import Moment
from rack.database import Database, where_clause
from rack.errors import RelayError
from rack.layout import Outlet
from rack.names import rasp_name, stack_name
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower

MAX_EDGES = 100_000
"""Maximum number of stored edges. Older edges are deleted."""

INSTALL_CAUSE = "install"
"""Cause of the edges of installs, replacements and swaps."""

_PRUNE_INTERVAL = 100
_MOMENTS = ("planned", "before", "after", "first_silence", "first_answer")
_MOMENT_COLUMNS = tuple(
    column for name in _MOMENTS for column in (f"{name}_monotonic", f"{name}_time")
)
_COLUMNS = ("stack", "slot", "is_on", "cause", "boot_id", *_MOMENT_COLUMNS)
_TIME = "ifnull(after_time, planned_time)"  # `Edge.time`, as in the index


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of the power of an outlet.

    Attributes:
        id: Number of the edge, from 1. Later edges have larger numbers.
        stack: Number of the stack.
        is_on: Whether the outlet was switched on.
        cause: What switched the outlet, for example `order 12`.
        boot_id: Id of the master's boot, to which the monotonic times belong.
        planned: Planned time.
        before: Time immediately before the outlet was switched, or None if unknown.
        after: Time at which the outlet had switched at the latest, or None if unknown.
        first_silence: Time at which a ping was sent that was the first one without a reply after
            the outlet was switched off, or None if this was not observed.
        first_answer: Time of the first reply after the outlet was switched on, or None if this was
            not observed.
        slot: Number of the slot that the outlet powers, or None if it powers the whole stack.
    """

    id: int
    stack: int
    is_on: bool
    cause: str
    boot_id: str
    planned: Moment
    before: Moment | None = None
    after: Moment | None = None
    first_silence: Moment | None = None
    first_answer: Moment | None = None
    slot: int | None = None

    @property
    def time(self) -> float:
        """Time at which the outlet had switched, or the planned time if it is unknown."""
        return (self.after or self.planned).time

    @property
    def name(self) -> str:
        """Name of the stack or rasp that the outlet powers, for example `03` or `03-2`."""
        return stack_name(self.stack) if self.slot is None else rasp_name(self.stack, self.slot)


class SwitchError(RelayError):
    """Some outlets were not switched, as far as is known. All others were switched.

    Attributes:
        problems: Problem of each outlet that was not switched.
        edges: Edges of the outlets that were switched.
    """

    def __init__(self, problems: Mapping[Outlet, str], edges: tuple[Edge, ...]) -> None:
        self.problems, self.edges = problems, edges
        super().__init__("; ".join(dict.fromkeys(problems.values())))


class PowerEdges:
    """Edges in a database. All methods raise `DatabaseError` if the database cannot be used."""

    def __init__(self, database: Database, *, max_edges: int = MAX_EDGES) -> None:
        self._database = database
        self._max_edges = max_edges

    def save_observation(
        self, edge: int, *, first_silence: Moment | None = None, first_answer: Moment | None = None
    ) -> None:
        """Save what was observed after an edge. None keeps a stored time.

        Args:
            edge: Id of the edge.
            first_silence: See `Edge`.
            first_answer: See `Edge`.
        """
        observed = {"first_silence": first_silence, "first_answer": first_answer}
        with self._database.connection() as connection:
            for name, moment in observed.items():
                if moment is not None:
                    _set_moments(connection, edge, {name: moment})

    def list_recent(
        self, limit: int, *, before: int | None = None, cause: str | None = None
    ) -> list[Edge]:
        """Return edges, newest first.

        Args:
            limit: Maximum number of edges.
            before: Upper limit of the id, exclusive.
            cause: Cause of the edges, for example `order 12`.
        """
        return self._select({"id < ?": before, "cause = ?": cause}, "id DESC", limit)

    def list_between(self, start: float, end: float, limit: int) -> list[Edge]:
        """Return the newest edges whose `time` is after `start` and not after `end`.

        The newest one is the first.
        """
        conditions = {f"{_TIME} > ?": start, f"{_TIME} <= ?": end}
        return self._select(conditions, f"{_TIME} DESC, id DESC", limit)

    def begin(
        self, commands: Mapping[Outlet, CommandedPower], edges: Iterable[Edge]
    ) -> tuple[Edge, ...]:
        """Save commanded power and its edges in one transaction. Return the edges with their ids.

        Args:
            commands: Commanded power of the outlets.
            edges: Changes of power that follow.
        """
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            commanded_power.write(connection, commands)
            saved = tuple(replace(edge, id=_insert(connection, edge)) for edge in edges)
            connection.execute("COMMIT")
        return saved

    def complete(
        self,
        final: Mapping[Outlet, CommandedPower],
        edges: Iterable[Edge],
        not_switched: Iterable[Edge],
    ) -> None:
        """Save commanded power and the times of its edges in one transaction.

        Args:
            final: Commanded power after the outlets were switched.
            edges: Edges with their times.
            not_switched: Edges to delete, because their outlets were not switched.
        """
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            commanded_power.write(connection, final)
            for edge in edges:
                _set_moments(connection, edge.id, {"before": edge.before, "after": edge.after})
                if edge.id % _PRUNE_INTERVAL == 0:
                    connection.execute(
                        "DELETE FROM power_edges WHERE id <= ?", (edge.id - self._max_edges,)
                    )
            for edge in not_switched:
                connection.execute("DELETE FROM power_edges WHERE id = ?", (edge.id,))
            connection.execute("COMMIT")

    def _select(self, conditions: Mapping[str, Any], order: str, limit: int) -> list[Edge]:
        where, values = where_clause(conditions)
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT id, {', '.join(_COLUMNS)} FROM power_edges {where}"  # noqa: S608 - constants
                f" ORDER BY {order} LIMIT ?",
                [*values, limit],
            )
            return [_edge_from_row(row) for row in rows]


def _insert(connection: sqlite3.Connection, edge: Edge) -> int:
    marks = ", ".join("?" for _ in _COLUMNS)
    cursor = connection.execute(
        f"INSERT INTO power_edges ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608 - constants
        _row(edge),
    )
    return int(cursor.lastrowid or 0)


def _set_moments(
    connection: sqlite3.Connection, edge: int, moments: dict[str, Moment | None]
) -> None:
    values = {
        column: value
        for name, moment in moments.items()
        for column, value in zip(
            (f"{name}_monotonic", f"{name}_time"), _moment_values(moment), strict=True
        )
    }
    assignments = ", ".join(f"{column} = ?" for column in values)
    connection.execute(
        f"UPDATE power_edges SET {assignments} WHERE id = ?",  # noqa: S608 - constants
        [*values.values(), edge],
    )


def _row(edge: Edge) -> list[Any]:
    moments = (edge.planned, edge.before, edge.after, edge.first_silence, edge.first_answer)
    return [
        edge.stack,
        edge.slot or 0,
        edge.is_on,
        edge.cause,
        edge.boot_id,
        *(value for moment in moments for value in _moment_values(moment)),
    ]


def _moment_values(moment: Moment | None) -> tuple[float | None, float | None]:
    return (None, None) if moment is None else (moment.monotonic, moment.time)


def _edge_from_row(row: Sequence[Any]) -> Edge:
    number, stack, slot, is_on, cause, boot_id, planned_monotonic, planned_time, *values = row
    planned = Moment(planned_monotonic, planned_time)
    before, after, silence, answer = (
        None if monotonic is None else Moment(monotonic, time)
        for monotonic, time in zip(values[::2], values[1::2], strict=True)
    )
    return Edge(
        number,
        stack,
        bool(is_on),
        cause,
        boot_id,
        planned,
        before,
        after,
        silence,
        answer,
        slot or None,
    )
