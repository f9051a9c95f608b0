"""Who is logged in with which browser. Kept in pirack.db, so that a log-out ends a session there.

The browser's cookie holds a random secret, the database its digest alone.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from controller.auth.passwords import hash_token, random_secret
from controller.auth.roles import Role
from rack.database import Database
from rack.errors import DatabaseError

MAX_IDLE_SECONDS = 12 * 3600.0
MAX_AGE_SECONDS = 7 * 86400.0
# A write for every request would wear out an SD card.
_TOUCH_INTERVAL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SessionUser:
    """Whose session it is."""

    name: str
    role: Role


class Sessions:
    """The sessions of a controller's users."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, user: str, verified_hash: str) -> str:
        """Begin a session of a user; return its secret.

        Args:
            user: the user's name.
            verified_hash: what `Users.verified_hash` has returned. Where the password has changed since then, or
                the user has gone, no session begins, and the secret is of none.
        """
        secret, now = random_secret(), self._clock()
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "DELETE FROM sessions WHERE began <= ? OR seen <= ?",
                (now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            )
            connection.execute(
                "INSERT INTO sessions SELECT ?, name, ?, ? FROM users"
                " WHERE name = ? AND password_hash = ?",
                (hash_token(secret), now, now, user, verified_hash),
            )
            connection.execute("COMMIT")
        return secret

    def find_user(self, secret: str) -> SessionUser | None:
        """Return whose session this secret is of, None if it is of none that still holds."""
        now = self._clock()
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT users.name, users.role, sessions.seen"
                " FROM sessions JOIN users ON users.name = sessions.user"
                " WHERE sessions.digest = ? AND sessions.began > ? AND sessions.seen > ?",
                (hash_token(secret), now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            ).fetchone()
        if row is None:
            return None
        name, role, seen = row
        if now - seen >= _TOUCH_INTERVAL_SECONDS:
            self._touch(secret, now)
        return SessionUser(name, Role(role))

    def _touch(self, secret: str, now: float) -> None:
        # A full disk must not keep anybody from looking.
        with suppress(DatabaseError), self._database.connection() as connection:
            connection.execute(
                "UPDATE sessions SET seen = ? WHERE digest = ?", (now, hash_token(secret))
            )

    def delete(self, secret: str) -> None:
        """End a session; nothing happens if there is none."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (hash_token(secret),))
