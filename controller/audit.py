"""The audit: who did what, to what, with what result, when and from where. Kept in pirack.db.

Each event is a transaction of its own, on the disk when `record` returns.
"""

import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from rack.database import Database

MAX_EVENTS_PER_RESULT = 50_000
"""So many events of each result are kept, the newest.

Counted by result, so that somebody who is refused again and again pushes out other refusals alone.
"""

REFUSED = "refused"
"""The result of what somebody tried who may not, or who gave a wrong password."""

_PRUNE_INTERVAL = 500
_MAX_FIELD_CHARS = 1000


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened.

    `actor` is a user, `token:NAME`, `anonymous` or `console:NAME` (somebody with a shell on the
    master); `client_address` the address of the program that asked, empty at the console; `action` an action;
    `targets` what it was done to; `result` `ok`, `failed`, `unknown` or `refused`; `detail` why.
    None of them ever holds a secret.
    """

    actor: str
    client_address: str
    action: str
    targets: str
    result: str
    detail: str = ""


def console_event(action: str, targets: str, detail: str = "") -> AuditEvent:
    """Return what the person who runs this process has done with success."""
    who = f"console:{pwd.getpwuid(os.getuid()).pw_name}"
    return AuditEvent(who, "", action, targets, "ok", detail)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event as it is kept: with its number and its time in seconds since the epoch."""

    id: int
    time: float
    event: AuditEvent


class Audit:
    """The events of a rack, in the order in which they happened."""

    def __init__(
        self,
        database: Database,
        *,
        max_per_result: int = MAX_EVENTS_PER_RESULT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep the newest `max_per_result` events of each result, and up to 500 more."""
        self._database = database
        self._max_per_result = max_per_result
        self._clock = clock

    def record(self, event: AuditEvent) -> int:
        """Keep an event; return its number.

        Raises:
            DatabaseError: it could not be kept.
        """
        row = [getattr(event, each.name)[:_MAX_FIELD_CHARS] for each in fields(AuditEvent)]
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            number = connection.execute(
                "INSERT INTO audit (at, who, origin, what, targets, result, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._clock(), *row),
            ).lastrowid
            if number is not None and number % _PRUNE_INTERVAL == 0:
                connection.execute(
                    "DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
                    " (PARTITION BY result ORDER BY id DESC) AS age FROM audit) WHERE age > ?)",
                    (self._max_per_result,),
                )
            connection.execute("COMMIT")
        return number or 0

    def list_recent(
        self, limit: int, *, before: int | None = None, text: str = ""
    ) -> list[AuditRecord]:
        """Return the newest events, the newest first.

        Args:
            limit: so many at most.
            before: an event's number: older ones alone.
            text: a part of who, what, targets, result or detail of each, in any case of letters.
        """
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT id, at, who, origin, what, targets, result, detail FROM audit"
                " WHERE id < ifnull(?, id + 1) AND instr(lower(who || ' ' || what || ' ' || targets"
                " || ' ' || result || ' ' || detail), lower(?)) ORDER BY id DESC LIMIT ?",
                (before, text, limit),
            )
            return [AuditRecord(number, at, AuditEvent(*event)) for number, at, *event in rows]
