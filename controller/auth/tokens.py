"""API tokens in pirack.db: bearer tokens of programs, each with a role.

Administrators add tokens on the console of the master. Users add tokens of their own, whose names
are `USER/NAME`: these never have more rights than the user has now.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from controller.auth.passwords import hash_token, random_secret
from controller.auth.roles import Role
from controller.auth.sessions import TOUCH_INTERVAL_SECONDS
from controller.auth.users import validate_name
from controller.errors import AccessError
from rack.database import Database
from rack.errors import DatabaseError

TOKEN_ACTOR_PREFIX = "token:"  # noqa: S105 - not valid in user names
"""Start of the names of actors that have a token."""

MAX_TOKENS_PER_USER = 20
"""Maximum number of tokens of a user."""

_PREFIX = "pirack_"  # secret scanners recognize this prefix
_SHOWN_PREFIX_CHARS = len(_PREFIX) + 6
_OWNER_SEPARATOR = "/"  # not valid in names
_COLUMNS = (
    "tokens.name, tokens.role, prefix, tokens.created_at, expires_at, owner, last_used_at,"
    " users.role"
)
_TOKENS_AND_OWNERS = "tokens LEFT JOIN users ON users.name = tokens.owner"


@dataclass(frozen=True, slots=True)
class Token:
    """Token without its secret. Times are in seconds since the epoch.

    Attributes:
        name: Name, `USER/NAME` for the token of a user.
        role: Role, at most that of its owner.
        prefix: Start of the secret.
        created_at: Time of its creation.
        expires_at: Time from which it is not valid, None if it does not expire.
        owner: User to whom it belongs, None for a token of the console.
        last_used_at: Time of its last use, at most `TOUCH_INTERVAL_SECONDS` too early. None if it
            was not used.
    """

    name: str
    role: Role
    prefix: str
    created_at: float
    expires_at: float | None
    owner: str | None
    last_used_at: float | None


def user_of_actor(actor: str) -> str:
    """Return the user for whom an actor acts: the owner of a user's token, else the actor."""
    if not actor.startswith(TOKEN_ACTOR_PREFIX):
        return actor
    owner, separator, _ = actor.removeprefix(TOKEN_ACTOR_PREFIX).partition(_OWNER_SEPARATOR)
    return owner if separator else actor


class Tokens:
    """API tokens of a controller."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self, owner: str | None = None) -> list[Token]:
        """Return all tokens, or those of a user, sorted by name."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM {_TOKENS_AND_OWNERS}"  # noqa: S608 - constants
                " WHERE ? IS NULL OR owner = ? ORDER BY tokens.name",
                (owner, owner),
            )
            return [_token_from_row(row) for row in rows]

    def add(self, name: str, role: Role, *, lifetime: float | None = None) -> str:
        """Add a token of the console. Return its secret, which is not stored.

        Args:
            name: Name in lists and in the audit log.
            role: Role of the program.
            lifetime: Seconds until the token expires, or None for a token that does not expire.

        Raises:
            AccessError: If the name is not valid or already used.
        """
        with self._database.connection() as connection:
            return self._insert(connection, validate_name(name), role, None, lifetime)

    def add_for_user(
        self, owner: str, name: str, role: Role, *, lifetime: float | None = None
    ) -> str:
        """Add a token of a user. Return its secret, which is not stored.

        Args:
            owner: Name of the user.
            name: Name among the tokens of the user.
            role: Role of the program, at most that of the user.
            lifetime: Seconds until the token expires, or None for a token that does not expire.

        Raises:
            AccessError: If the name is not valid or already used, if the user does not have the
                role, or has too many tokens.
        """
        full_name = f"{owner}{_OWNER_SEPARATOR}{validate_name(name)}"
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            user = connection.execute("SELECT role FROM users WHERE name = ?", (owner,)).fetchone()
            if user is None or not Role(user[0]).includes(role):
                raise AccessError(f"{owner} does not have the role {role}: choose a lower role")
            [count] = connection.execute(
                "SELECT count(*) FROM tokens WHERE owner = ?", (owner,)
            ).fetchone()
            if count >= MAX_TOKENS_PER_USER:
                raise AccessError(f"you have {count} tokens: revoke one that is not used any more")
            secret = self._insert(connection, full_name, role, owner, lifetime)
            connection.execute("COMMIT")
        return secret

    def _insert(
        self,
        connection: Connection,
        name: str,
        role: Role,
        owner: str | None,
        lifetime: float | None,
    ) -> str:
        secret, now = _PREFIX + random_secret(), self._clock()
        expires_at = None if lifetime is None else now + lifetime
        prefix = secret[:_SHOWN_PREFIX_CHARS]
        added = connection.execute(
            "INSERT OR IGNORE INTO tokens (name, role, token_hash, prefix, created_at, expires_at,"
            " owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name, role, hash_token(secret), prefix, now, expires_at, owner),
        )
        if not added.rowcount:
            raise AccessError(f"token {name!r} already exists: revoke it, or use another name")
        return secret

    def revoke(self, name: str, *, owner: str | None = None) -> None:
        """Revoke a token, or the token of a user.

        Raises:
            AccessError: If the token does not exist, or the user does not have it.
        """
        with self._database.connection() as connection:
            removed = connection.execute(
                "DELETE FROM tokens WHERE name = ? AND (? IS NULL OR owner = ?)",
                (name, owner, owner),
            )
        if not removed.rowcount:
            names = ", ".join(token.name for token in self.all(owner)) or "none"
            raise AccessError(f"unknown token {name[:64]!r}; existing tokens: {names}")

    def authenticate(self, secret: str) -> Token | None:
        """Return the token with this secret, or None if it is unknown, expired or without owner."""
        now = self._clock()
        with self._database.connection() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM {_TOKENS_AND_OWNERS}"  # noqa: S608 - constants
                " WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)"
                " AND (owner IS NULL OR users.name IS NOT NULL)",
                (hash_token(secret), now),
            ).fetchone()
        if row is None:
            return None
        token = _token_from_row(row)
        if token.last_used_at is None or now - token.last_used_at >= TOUCH_INTERVAL_SECONDS:
            self._touch(token.name, now)
        return token

    def _touch(self, name: str, now: float) -> None:
        # The API stays readable if the disk is full.
        with suppress(DatabaseError), self._database.connection() as connection:
            connection.execute("UPDATE tokens SET last_used_at = ? WHERE name = ?", (now, name))


def _token_from_row(row: tuple[Any, ...]) -> Token:
    name, role, *others, role_of_owner = row
    is_too_high = role_of_owner is not None and not Role(role_of_owner).includes(Role(role))
    return Token(name, Role(role_of_owner if is_too_high else role), *others)
