"""The people who may log in, with their roles. Kept in pirack.db."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.passwords import hash_password, verify_password
from controller.auth.roles import Role
from controller.errors import AccessError
from rack.database import Database

_NAME_PATTERN = re.compile(r"(?!anonymous$)[a-z][a-z0-9._-]{0,31}")
_NAME_HINT = "take 1 to 32 letters a to z, digits, dots, dashes, with a letter first"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in; `created_at` is in seconds since the epoch."""

    name: str
    role: Role
    created_at: float


def validate_name(name: str) -> str:
    """Return a name for a user or a token, or raise `AccessError`: it will stand in the audit."""
    if not _NAME_PATTERN.fullmatch(name):
        raise AccessError(f"{name[:64]!r} is no name: {_NAME_HINT}")
    return name


class Users:
    """The users of a controller."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[User]:
        """Return all users, by name."""
        with self._database.connection() as connection:
            rows = connection.execute("SELECT name, role, created FROM users ORDER BY name")
            return [User(name, Role(role), created) for name, role, created in rows]

    def add(self, name: str, role: Role, password: str) -> None:
        """Add a user.

        Raises:
            AccessError: the name or the password will not do, or there is such a user.
        """
        row = (validate_name(name), role, hash_password(password), self._clock())
        with self._database.connection() as connection:
            added = connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?, ?, ?)", row)
            if not added.rowcount:
                raise AccessError(f"there is a user {name!r}: take another name")

    def remove(self, name: str) -> None:
        """Remove a user and end the user's sessions.

        Raises:
            AccessError: there is no such user, or it is the last admin.
        """
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            roles = dict(connection.execute("SELECT name, role FROM users"))
            self._require_user(name, roles)
            if roles[name] == Role.ADMIN and list(roles.values()).count(Role.ADMIN) == 1:
                raise AccessError(f"{name!r} is the last admin: add another one first")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
            connection.execute("DELETE FROM users WHERE name = ?", (name,))
            connection.execute("COMMIT")

    def set_password(self, name: str, password: str) -> None:
        """Give a user a new password and end all of the user's sessions.

        Raises:
            AccessError: there is no such user, or the password will not do.
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
        """Tell whether there is such a user."""
        return any(user.name == name for user in self.all())

    def verified_hash(self, name: str, password: str) -> str | None:
        """Return what `Sessions.create` wants of a user with this password, None if it is wrong.

        It takes the same time whether there is such a user or not.
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
            raise AccessError(
                f"no user {name[:64]!r}: there is {', '.join(sorted(known)) or 'none'}"
            )
