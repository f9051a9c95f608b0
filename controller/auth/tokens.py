"""API tokens in pirack.db: bearer tokens of programs, each with a role."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.passwords import hash_token, random_secret
from controller.auth.roles import Role
from controller.auth.users import validate_name
from controller.errors import AccessError
from rack.database import Database

_PREFIX = "pirack_"  # secret scanners recognize this prefix
_SHOWN_PREFIX_CHARS = len(_PREFIX) + 6


@dataclass(frozen=True, slots=True)
class Token:
    """Token without its secret.

    `prefix` is the start of the secret. Times are in seconds since the epoch. `expires_at` is None
    for a token that does not expire.
    """

    name: str
    role: Role
    prefix: str
    created_at: float
    expires_at: float | None


class Tokens:
    """API tokens of a controller."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[Token]:
        """Return all tokens, sorted by name."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT name, role, prefix, created_at, expires_at FROM tokens ORDER BY name"
            )
            return [Token(name, Role(role), *others) for name, role, *others in rows]

    def add(self, name: str, role: Role, *, lifetime: float | None = None) -> str:
        """Add a token. Return its secret, which is not stored.

        Args:
            name: Name in lists and in the audit log.
            role: Role of the program.
            lifetime: Seconds until the token expires, or None for a token that does not expire.

        Raises:
            AccessError: If the name is not valid or already used.
        """
        secret, now = _PREFIX + random_secret(), self._clock()
        expires_at = None if lifetime is None else now + lifetime
        prefix = secret[:_SHOWN_PREFIX_CHARS]
        row = (validate_name(name), role, hash_token(secret), prefix, now, expires_at)
        with self._database.connection() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO tokens (name, role, token_hash, prefix, created_at,"
                " expires_at) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            if not added.rowcount:
                raise AccessError(f"token {name!r} already exists: revoke it, or use another name")
        return secret

    def revoke(self, name: str) -> None:
        """Revoke a token.

        Raises:
            AccessError: If the token does not exist.
        """
        with self._database.connection() as connection:
            removed = connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
        if not removed.rowcount:
            names = ", ".join(token.name for token in self.all()) or "none"
            raise AccessError(f"unknown token {name[:64]!r}; existing tokens: {names}")

    def authenticate(self, secret: str) -> Token | None:
        """Return the token with this secret, or None if the token is unknown or expired."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT name, role, prefix, created_at, expires_at FROM tokens"
                " WHERE token_hash = ? AND (expires_at IS NULL OR expires_at > ?)",
                (hash_token(secret), self._clock()),
            ).fetchone()
        return None if row is None else Token(row[0], Role(row[1]), *row[2:])
