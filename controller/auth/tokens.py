"""What programs say in place of a password: bearer tokens, each with a role. Kept in pirack.db."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.passwords import hash_token, random_secret
from controller.auth.roles import Role
from controller.auth.users import validate_name
from controller.errors import AccessError
from rack.database import Database

_PREFIX = "pirack_"  # a program that looks for leaked secrets knows it by this
_SHOWN_PREFIX_CHARS = len(_PREFIX) + 6


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without its secret.

    `prefix` is how the secret begins, to recognise it; `created_at` and `expires_at` are in seconds since
    the epoch, `expires_at` is None for one that does not expire.
    """

    name: str
    role: Role
    prefix: str
    created_at: float
    expires_at: float | None


class Tokens:
    """The tokens of a controller."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[Token]:
        """Return all tokens, by name."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT name, role, prefix, created, expires FROM tokens ORDER BY name"
            )
            return [Token(name, Role(role), *others) for name, role, *others in rows]

    def add(self, name: str, role: Role, *, lifetime: float | None = None) -> str:
        """Add a token; return its secret, which nobody can read again.

        Args:
            name: how it is called in lists and in the audit.
            role: what it may do.
            lifetime: in how many seconds it expires; None: it does not.

        Raises:
            AccessError: the name will not do, or there is such a token.
        """
        secret, now = _PREFIX + random_secret(), self._clock()
        expires = None if lifetime is None else now + lifetime
        prefix = secret[:_SHOWN_PREFIX_CHARS]
        row = (validate_name(name), role, hash_token(secret), prefix, now, expires)
        with self._database.connection() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO tokens VALUES (?, ?, ?, ?, ?, ?)", row
            )
            if not added.rowcount:
                raise AccessError(f"there is a token {name!r}: revoke it, or take another name")
        return secret

    def revoke(self, name: str) -> None:
        """Make a token void at once.

        Raises:
            AccessError: there is no such token.
        """
        with self._database.connection() as connection:
            removed = connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
        if not removed.rowcount:
            known = ", ".join(token.name for token in self.all())
            raise AccessError(f"no token {name[:64]!r}: there is {known or 'none'}")

    def authenticate(self, secret: str) -> Token | None:
        """Return the token that has this secret, None if none has it that still holds."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT name, role, prefix, created, expires FROM tokens"
                " WHERE digest = ? AND (expires IS NULL OR expires > ?)",
                (hash_token(secret), self._clock()),
            ).fetchone()
        return None if row is None else Token(row[0], Role(row[1]), *row[2:])
