"""Reservations and quotas in pirack.db."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from controller.errors import UnknownQuotaError, UnknownReservationError
from controller.reservations.model import Quota, Reservation, ReservationState
from rack.database import MAX_ROW_ID, Database

MAX_RESERVATIONS = 5000
"""Maximum number of stored reservations. Older ones that have ended are deleted."""

_COLUMNS = (
    "owner, selection, seconds, lease_seconds, state, stacks, queued_at, started_at, ends_at,"
    " end_reason, deadline, boot_id"
)
_PLACEHOLDERS = ", ".join("?" * len(_COLUMNS.split(",")))


class ReservationStore:
    """Reservations in a database.

    All methods raise `DatabaseError` if the database cannot be used.
    """

    def __init__(self, database: Database, *, max_reservations: int = MAX_RESERVATIONS) -> None:
        self._database = database
        self._max_reservations = max_reservations

    def add(self, reservation: Reservation) -> Reservation:
        """Save a new reservation. Return it with its id."""
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            cursor = connection.execute(
                f"INSERT INTO reservations ({_COLUMNS}) VALUES ({_PLACEHOLDERS})",  # noqa: S608 - constants
                _row(reservation),
            )
            saved = replace(reservation, id=int(cursor.lastrowid or 0))
            connection.execute(
                "DELETE FROM reservations WHERE id <= ? AND state = ?",
                (saved.id - self._max_reservations, ReservationState.ENDED),
            )
            connection.execute("COMMIT")
        return saved

    def save(self, reservations: Iterable[Reservation]) -> None:
        """Save the current versions of reservations in one commit."""
        rows = [(reservation.id, *_row(reservation)) for reservation in reservations]
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT OR REPLACE INTO reservations (id, {_COLUMNS})"  # noqa: S608 - constants
                f" VALUES (?, {_PLACEHOLDERS})",
                rows,
            )
            connection.execute("COMMIT")

    def get(self, number: int) -> Reservation:
        """Return the reservation with this id.

        Raises:
            UnknownReservationError: If it does not exist or was deleted.
        """
        if number <= MAX_ROW_ID:
            for reservation in self._select("WHERE id = ?", [number]):
                return reservation
        raise UnknownReservationError(
            f"no reservation {number}: the list of reservations shows the stored ones"
        )

    def list_recent(self, limit: int, before: int | None = None) -> Sequence[Reservation]:
        """Return reservations, newest first."""
        last = MAX_ROW_ID if before is None else before
        return self._select("WHERE id < ? ORDER BY id DESC LIMIT ?", [last, limit])

    def list_open(self) -> Sequence[Reservation]:
        """Return the reservations that have not ended, oldest first."""
        return self._select("WHERE state != ? ORDER BY id", [ReservationState.ENDED])

    def _select(self, clause: str, values: Sequence[Any]) -> Sequence[Reservation]:
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT id, {_COLUMNS} FROM reservations {clause}",  # noqa: S608 - constants
                values,
            ).fetchall()
        return [_reservation(*row) for row in rows]


class QuotaStore:
    """Quotas in a database. All methods raise `DatabaseError` if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self) -> Sequence[Quota]:
        """Return all quotas by name."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT name, members, stacks, seconds FROM quotas ORDER BY name"
            ).fetchall()
        return [Quota(name, tuple(json.loads(members)), *limits) for name, members, *limits in rows]

    def save(self, quota: Quota) -> None:
        """Save a quota, in place of an earlier one with this name."""
        with self._database.connection() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO quotas (name, members, stacks, seconds)"
                " VALUES (?, ?, ?, ?)",
                (quota.name, json.dumps(quota.members), quota.stacks, quota.seconds),
            )

    def remove(self, name: str) -> Quota:
        """Remove a quota. Return it.

        Raises:
            UnknownQuotaError: If it does not exist.
        """
        quota = next((quota for quota in self.list_all() if quota.name == name), None)
        if quota is None:
            raise UnknownQuotaError(f"no quota {name!r}: the list of reservations shows the quotas")
        with self._database.connection() as connection:
            connection.execute("DELETE FROM quotas WHERE name = ?", (name,))
        return quota


def _row(reservation: Reservation) -> tuple[Any, ...]:
    return (
        reservation.owner,
        reservation.selection,
        reservation.seconds,
        reservation.lease_seconds,
        reservation.state,
        json.dumps(reservation.stacks),
        reservation.queued_at,
        reservation.started_at,
        reservation.ends_at,
        reservation.end_reason,
        reservation.deadline,
        reservation.boot_id,
    )


def _reservation(number: int, *values: Any) -> Reservation:
    owner, selection, seconds, lease_seconds, state, stacks, *times = values
    return Reservation(
        number,
        owner,
        selection,
        seconds,
        lease_seconds,
        ReservationState(state),
        tuple(json.loads(stacks)),
        *times,
    )
