"""Audit log in pirack.db: actor, action, targets, result, time and client address.

Each event is committed before `record` returns, and copied to the log of the controller. Repeats
are counted instead of stored. Each actor has a quota, so that the events of one actor do not remove
those of others. Wrong passwords have their own quotas, and are always stored one by one.
"""

import json
import logging
import os
import pwd
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from sqlite3 import Connection
from typing import Any

from rack.database import Database

MAX_EVENTS_PER_ACTOR = 20_000
"""Maximum number of events to keep for each actor, and of wrong passwords for each actor."""

MAX_REFUSALS_PER_ACTOR = 2_000
"""Maximum number of refused requests to keep for each actor."""

MAX_REFUSAL_AGE_SECONDS = 90 * 86400.0
"""Refused requests are deleted after this time."""

BACKUP_ACTION = "backup"
"""Action of a completed backup."""

LOG_IN_ACTION, LOG_OUT_ACTION = "log in", "log out"
"""Actions of a login, also of a refused one, and of a logout."""

REFUSED = "refused"
"""Result of an action without the required role, or with a wrong password."""

WRONG_PASSWORD = "wrong password"  # noqa: S105 - not a password
"""Detail of a refused login or password change."""

_REPEAT_SECONDS = 3600.0
_REPEAT_EVENTS = 1000  # repeats are searched among so many newest events
_PRUNE_INTERVAL = 500
_MAX_FIELD_CHARS = 1000
_RECORD_COLUMNS = (
    "id, time, count, last_time, actor, client_address, action, targets, result, detail"
)
_IS_REFUSAL = f"(result = '{REFUSED}' AND detail <> '{WRONG_PASSWORD}')"
_IS_WRONG_PASSWORD = f"(result = '{REFUSED}' AND detail = '{WRONG_PASSWORD}')"

_log = logging.getLogger(__name__)


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

    @property
    def is_refusal(self) -> bool:
        """Whether a request was refused for another reason than a wrong password."""
        return self.result == REFUSED and self.detail != WRONG_PASSWORD


def console_event(action: str, targets: str, detail: str = "") -> AuditEvent:
    """Return the event of a successful action by the user who runs this process."""
    actor = f"console:{pwd.getpwuid(os.getuid()).pw_name}"
    return AuditEvent(actor, "", action, targets, "ok", detail)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A stored event.

    Attributes:
        id: Number of the event.
        time: Time of the event in seconds since the epoch.
        event: The event.
        count: Number of times that the event occurred.
        last_time: Time of the last occurrence.
    """

    id: int
    time: float
    event: AuditEvent
    count: int
    last_time: float


class Audit:
    """The audit log of a rack."""

    def __init__(
        self,
        database: Database,
        *,
        max_per_actor: int = MAX_EVENTS_PER_ACTOR,
        max_refusals_per_actor: int = MAX_REFUSALS_PER_ACTOR,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep the newest events of each actor within its quotas, plus up to 500 more."""
        self._database = database
        self._max_per_actor = max_per_actor
        self._max_refusals_per_actor = max_refusals_per_actor
        self._clock = clock

    def record(self, event: AuditEvent) -> int:
        """Store an event, or count it if it repeats an event of the last hour. Return its id.

        Refused requests of one actor to different targets are repeats, too.

        Raises:
            DatabaseError: If the event cannot be stored.
        """
        event = AuditEvent(*(text[:_MAX_FIELD_CHARS] for text in astuple(event)))
        now = self._clock()
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            event_id = self._count_repeat(connection, event, now)
            if event_id is None:
                event_id = self._insert(connection, event, now)
            connection.execute("COMMIT")
        return event_id

    @staticmethod
    def _count_repeat(connection: Connection, event: AuditEvent, now: float) -> int | None:
        """Count an event that repeats a stored one. Return the id of that one, or None."""
        if event.result == REFUSED and not event.is_refusal:
            return None
        names = [each.name for each in fields(event) if each.name != "targets"]
        if not event.is_refusal:
            names.append("targets")
        conditions = "".join(f" AND {name} = ?" for name in names)
        row = connection.execute(
            f"UPDATE audit SET count = count + 1, last_time = ? WHERE id = (SELECT id FROM audit"  # noqa: S608 - constants
            f" WHERE id > (SELECT max(id) FROM audit) - ? AND abs(time - ?) <= ?{conditions}"
            " ORDER BY id DESC LIMIT 1) RETURNING id",
            (
                *(now, _REPEAT_EVENTS, now, _REPEAT_SECONDS),
                *(getattr(event, name) for name in names),
            ),
        ).fetchone()
        return None if row is None else int(row[0])

    def _insert(self, connection: Connection, event: AuditEvent, now: float) -> int:
        [event_id] = connection.execute(
            "INSERT INTO audit"
            " (time, last_time, actor, client_address, action, targets, result, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (now, now, *astuple(event)),
        ).fetchone()
        # JSON, because a line break in a field must not look like another line of the log.
        _log.info("%s", json.dumps({"id": event_id, **asdict(event)}))
        if event_id % _PRUNE_INTERVAL == 0:
            self._prune(connection, now)
        return int(event_id)

    def _prune(self, connection: Connection, now: float) -> None:
        # Only refusals are deleted by age: the clock of a master may be wrong.
        connection.execute(
            f"DELETE FROM audit WHERE {_IS_REFUSAL} AND last_time < ?",  # noqa: S608 - a constant
            (now - MAX_REFUSAL_AGE_SECONDS,),
        )
        connection.execute(
            "DELETE FROM audit WHERE id IN (SELECT id FROM"  # noqa: S608 - constants
            f" (SELECT id, {_IS_REFUSAL} AS is_refusal, row_number() OVER"
            f" (PARTITION BY actor, {_IS_REFUSAL}, {_IS_WRONG_PASSWORD} ORDER BY id DESC) AS age"
            " FROM audit) WHERE age > iif(is_refusal, ?, ?))",
            (self._max_refusals_per_actor, self._max_per_actor),
        )

    def newest(self, action: str) -> float | None:
        """Return the time of the newest successful event of an action, or None."""
        with self._database.connection() as connection:
            [newest] = connection.execute(
                "SELECT max(last_time) FROM audit WHERE action = ? AND result = 'ok'", (action,)
            ).fetchone()
        return None if newest is None else float(newest)

    def list_between(
        self, start: float, end: float, limit: int, actions: Collection[str]
    ) -> list[AuditRecord]:
        """Return the newest events of some actions after `start` and until `end`, newest first."""
        marks = ", ".join("?" for _ in actions)
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_RECORD_COLUMNS} FROM audit WHERE time > ? AND time <= ?"  # noqa: S608 - constants
                f" AND action IN ({marks}) ORDER BY time DESC, id DESC LIMIT ?",
                (start, end, *actions, limit),
            )
            return [_record_from_row(row) for row in rows]

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
                f"SELECT {_RECORD_COLUMNS} FROM audit WHERE id < ifnull(?, id + 1)"  # noqa: S608 - a constant
                " AND instr(lower(actor || ' ' || action || ' ' || targets"
                " || ' ' || result || ' ' || detail), lower(?)) ORDER BY id DESC LIMIT ?",
                (before, text, limit),
            )
            return [_record_from_row(row) for row in rows]


def _record_from_row(row: Sequence[Any]) -> AuditRecord:
    event_id, timestamp, count, last_time, *event = row
    return AuditRecord(event_id, timestamp, AuditEvent(*event), count, last_time)
