"""Browser sessions in pirack.db.

The cookie contains a random secret, and the database only its hash.
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
# One write for each request would wear out an SD card.
_TOUCH_INTERVAL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class SessionUser:
    """User of a session."""

    name: str
    role: Role


class Sessions:
    """Sessions of the users."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, user: str, verified_hash: str) -> str:
        """Create a session. Return its secret.

        Args:
            user: Name of the user.
            verified_hash: Result of `Users.verified_hash`. If the user was removed or the password
                changed since then, no session is created, and the secret is not valid.
        """
        secret, now = random_secret(), self._clock()
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "DELETE FROM sessions WHERE created_at <= ? OR last_seen_at <= ?",
                (now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            )
            connection.execute(
                "INSERT INTO sessions (token_hash, user, created_at, last_seen_at)"
                " SELECT ?, name, ?, ? FROM users WHERE name = ? AND password_hash = ?",
                (hash_token(secret), now, now, user, verified_hash),
            )
            connection.execute("COMMIT")
        return secret

    def find_user(self, secret: str) -> SessionUser | None:
        """Return the user of the session with this secret, or None if the secret is not valid."""
        now = self._clock()
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT users.name, users.role, sessions.last_seen_at"
                " FROM sessions JOIN users ON users.name = sessions.user"
                " WHERE token_hash = ? AND sessions.created_at > ? AND last_seen_at > ?",
                (hash_token(secret), now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            ).fetchone()
        if row is None:
            return None
        name, role, last_seen_at = row
        if now - last_seen_at >= _TOUCH_INTERVAL_SECONDS:
            self._touch(secret, now)
        return SessionUser(name, Role(role))

    def _touch(self, secret: str, now: float) -> None:
        # Pages stay readable if the disk is full.
        with suppress(DatabaseError), self._database.connection() as connection:
            connection.execute(
                "UPDATE sessions SET last_seen_at = ? WHERE token_hash = ?",
                (now, hash_token(secret)),
            )

    def delete(self, secret: str) -> None:
        """Delete a session if it exists."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", (hash_token(secret),))
