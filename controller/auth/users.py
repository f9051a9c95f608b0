"""Users in pirack.db, each with a role and a password."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.passwords import hash_password, verify_password
from controller.auth.roles import Role
from controller.errors import AccessError
from rack.database import Database

_NAME_PATTERN = re.compile(r"(?!anonymous$)[a-z][a-z0-9._-]{0,31}")
_NAME_HINT = "use 1 to 32 letters a to z, digits, dots and dashes, starting with a letter"


@dataclass(frozen=True, slots=True)
class User:
    """A user. `created_at` is in seconds since the epoch."""

    name: str
    role: Role
    created_at: float


def validate_name(name: str) -> str:
    """Return a valid name of a user or token.

    Raises:
        AccessError: If the name is not valid.
    """
    if not _NAME_PATTERN.fullmatch(name):
        raise AccessError(f"{name[:64]!r} is not a valid name: {_NAME_HINT}")
    return name


class Users:
    """Users of a controller."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[User]:
        """Return all users, sorted by name."""
        with self._database.connection() as connection:
            rows = connection.execute("SELECT name, role, created_at FROM users ORDER BY name")
            return [User(name, Role(role), created_at) for name, role, created_at in rows]

    def add(self, name: str, role: Role, password: str) -> None:
        """Add a user.

        Raises:
            AccessError: If the name or the password is not valid, or the user exists.
        """
        row = (validate_name(name), role, hash_password(password), self._clock())
        with self._database.connection() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO users (name, role, password_hash, created_at)"
                " VALUES (?, ?, ?, ?)",
                row,
            )
            if not added.rowcount:
                raise AccessError(f"user {name!r} already exists: use another name")

    def remove(self, name: str) -> None:
        """Remove a user and all sessions and tokens of the user.

        Raises:
            AccessError: If the user does not exist or is the last admin.
        """
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            roles = dict(connection.execute("SELECT name, role FROM users"))
            self._require_user(name, roles)
            if roles[name] == Role.ADMIN and list(roles.values()).count(Role.ADMIN) == 1:
                raise AccessError(f"{name!r} is the last admin: add another admin first")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
            connection.execute("DELETE FROM tokens WHERE owner = ?", (name,))
            connection.execute("DELETE FROM users WHERE name = ?", (name,))
            connection.execute("COMMIT")

    def set_password(self, name: str, password: str) -> None:
        """Change the password of a user and end all sessions of the user.

        Raises:
            AccessError: If the user does not exist or the password is not valid.
        """
        password_hash = hash_password(password)
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._require_user(name, dict(connection.execute("SELECT name, role FROM users")))
            connection.execute(
                "UPDATE users SET password_hash = ? WHERE name = ?", (password_hash, name)
            )
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
            connection.execute("COMMIT")

    def exists(self, name: str) -> bool:
        """Return whether the user exists."""
        return any(user.name == name for user in self.all())

    def verified_hash(self, name: str, password: str) -> str | None:
        """Verify a password. Return the user's password hash, or None.

        The time does not depend on whether the user exists.
        """
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT password_hash FROM users WHERE name = ?", (name,)
            ).fetchone()
        password_hash = row[0] if row else None
        return password_hash if verify_password(password, password_hash) else None

    @staticmethod
    def _require_user(name: str, known: dict[str, str]) -> None:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise AccessError(f"unknown user {name[:64]!r}; existing users: {names}")
