"""Browser sessions in pirack.db.

The cookie contains a random secret, and the database only its hash. The start of the hash names a
session on the page of its user. It does not reveal the secret.
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
TOUCH_INTERVAL_SECONDS = 300.0
"""Accuracy of the times of last use."""

_ID_CHARS = 16
_MAX_USER_AGENT_CHARS = 300


@dataclass(frozen=True, slots=True)
class SessionUser:
    """User of a session."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that has not ended, without its secret.

    Attributes:
        id: Start of the hash of the secret.
        created_at: Time of the login in seconds since the epoch.
        last_seen_at: Time of the last request, at most `TOUCH_INTERVAL_SECONDS` too early.
        client_address: Address of the client at the login.
        user_agent: Header `User-Agent` of the login.
    """

    id: str
    created_at: float
    last_seen_at: float
    client_address: str
    user_agent: str


def session_id(secret: str) -> str:
    """Return the id of the session with this secret."""
    return hash_token(secret)[:_ID_CHARS]


class Sessions:
    """Sessions of the users."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, user: str, verified_hash: str, *, client_address: str = "", user_agent: str = ""
    ) -> str:
        """Create a session. Return its secret.

        Args:
            user: Name of the user.
            verified_hash: Result of `Users.verified_hash`. If the user was removed or the password
                changed since then, no session is created, and the secret is not valid.
            client_address: Address of the client.
            user_agent: Header `User-Agent` of the client.
        """
        secret, now = random_secret(), self._clock()
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "DELETE FROM sessions WHERE created_at <= ? OR last_seen_at <= ?",
                (now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            )
            connection.execute(
                "INSERT INTO sessions"
                " (token_hash, user, created_at, last_seen_at, client_address, user_agent)"
                " SELECT ?, name, ?, ?, ?, ? FROM users WHERE name = ? AND password_hash = ?",
                (
                    *(hash_token(secret), now, now, client_address),
                    *(user_agent[:_MAX_USER_AGENT_CHARS], user, verified_hash),
                ),
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
        if now - last_seen_at >= TOUCH_INTERVAL_SECONDS:
            self._touch(secret, now)
        return SessionUser(name, Role(role))

    def _touch(self, secret: str, now: float) -> None:
        # Pages stay readable if the disk is full.
        with suppress(DatabaseError), self._database.connection() as connection:
            connection.execute(
                "UPDATE sessions SET last_seen_at = ? WHERE token_hash = ?",
                (now, hash_token(secret)),
            )

    def list_of(self, user: str) -> list[OpenSession]:
        """Return the valid sessions of a user, the last used first."""
        now = self._clock()
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT substr(token_hash, 1, ?), created_at, last_seen_at, client_address,"
                " user_agent FROM sessions WHERE user = ? AND created_at > ? AND last_seen_at > ?"
                " ORDER BY last_seen_at DESC, created_at DESC",
                (_ID_CHARS, user, now - MAX_AGE_SECONDS, now - MAX_IDLE_SECONDS),
            )
            return [OpenSession(*row) for row in rows]

    def end(self, user: str, session: str) -> bool:
        """End the session of a user with this id. Return whether it existed."""
        with self._database.connection() as connection:
            ended = connection.execute(
                "DELETE FROM sessions WHERE user = ? AND substr(token_hash, 1, ?) = ?",
                (user, _ID_CHARS, session),
            )
        return ended.rowcount > 0

    def end_others(self, user: str, secret: str) -> int:
        """End all sessions of a user except the one with this secret. Return their number."""
        with self._database.connection() as connection:
            ended = connection.execute(
                "DELETE FROM sessions WHERE user = ? AND token_hash <> ?",
                (user, hash_token(secret)),
            )
        return ended.rowcount

    def delete(self, secret: str) -> None:
        """Delete a session if it exists."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM sessions WHERE token_hash = ?", (hash_token(secret),))
