"""Audit log in pirack.db: actor, action, targets, result, time and client address.

Each event is committed before `record` returns.
"""

import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from rack.database import Database

MAX_EVENTS_PER_RESULT = 50_000
"""Maximum number of events to keep for each result.

The limit applies to each result, so a flood of refusals removes only older refusals.
"""

REFUSED = "refused"
"""Result of an action without the required role, or with a wrong password."""

_PRUNE_INTERVAL = 500
_MAX_FIELD_CHARS = 1000


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An action and its result. No field contains a secret.

    Attributes:
        actor: User name, `token:NAME`, `anonymous` or `console:NAME` (a shell user of the master).
        client_address: Address of the client, empty for console commands.
        action: Name of the action.
        targets: Targets of the action.
        result: `ok`, `failed`, `unknown` or `refused`.
        detail: Reason for the result.
    """

    actor: str
    client_address: str
    action: str
    targets: str
    result: str
    detail: str = ""


def console_event(action: str, targets: str, detail: str = "") -> AuditEvent:
    """Return the event of a successful action by the user who runs this process."""
    actor = f"console:{pwd.getpwuid(os.getuid()).pw_name}"
    return AuditEvent(actor, "", action, targets, "ok", detail)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A stored event with its id and its time in seconds since the epoch."""

    id: int
    time: float
    event: AuditEvent


class Audit:
    """The audit log of a rack."""

    def __init__(
        self,
        database: Database,
        *,
        max_per_result: int = MAX_EVENTS_PER_RESULT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep the newest `max_per_result` events of each result, plus up to 500 more."""
        self._database = database
        self._max_per_result = max_per_result
        self._clock = clock

    def record(self, event: AuditEvent) -> int:
        """Store an event. Return its id.

        Raises:
            DatabaseError: If the event cannot be stored.
        """
        row = [getattr(event, field.name)[:_MAX_FIELD_CHARS] for field in fields(AuditEvent)]
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            event_id = connection.execute(
                "INSERT INTO audit (time, actor, client_address, action, targets, result, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._clock(), *row),
            ).lastrowid
            if event_id is not None and event_id % _PRUNE_INTERVAL == 0:
                connection.execute(
                    "DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER"
                    " (PARTITION BY result ORDER BY id DESC) AS age FROM audit) WHERE age > ?)",
                    (self._max_per_result,),
                )
            connection.execute("COMMIT")
        return event_id or 0

    def list_recent(
        self, limit: int, *, before: int | None = None, text: str = ""
    ) -> list[AuditRecord]:
        """Return the newest events, newest first.

        Args:
            limit: Maximum number of events.
            before: Event id. Only events with a smaller id are returned.
            text: Part of the actor, action, targets, result or detail. Case is ignored.
        """
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT id, time, actor, client_address, action, targets, result, detail"
                " FROM audit WHERE id < ifnull(?, id + 1)"
                " AND instr(lower(actor || ' ' || action || ' ' || targets"
                " || ' ' || result || ' ' || detail), lower(?)) ORDER BY id DESC LIMIT ?",
                (before, text, limit),
            )
            return [
                AuditRecord(event_id, timestamp, AuditEvent(*event))
                for event_id, timestamp, *event in rows
            ]
