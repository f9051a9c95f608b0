"""Mark next to the database, which distinguishes a lost database from a first start."""

import re
from pathlib import Path

from rack import files
from rack.errors import DatabaseError

_ID = re.compile(r"[0-9a-f]{32}")


class DatabaseMark:
    """The file `pirack.database-id` with the id of `pirack.db`.

    The mark is written after the database was created. It must not be stored in the database, and
    its name must not start with `pirack.db`, because such files are deleted with the database.

    Args:
        database: Path of the database.

    Attributes:
        path: Path of the mark.
        exists: Whether the mark exists, even if its content is damaged.
        database_id: The id in the mark, or None if there is no valid id.
    """

    def __init__(self, database: Path) -> None:
        self.path = mark_path(database)
        self.exists = True
        self.database_id: str | None = None
        try:
            text = self.path.read_bytes().decode("utf-8-sig", "replace").strip()
        except FileNotFoundError:
            self.exists = False
        else:
            self.database_id = text if _ID.fullmatch(text) else None

    def write(self, database_id: str) -> None:
        """Write the id of the database if it differs.

        Raises:
            OSError: If the mark cannot be written.
        """
        if self.database_id != database_id:
            files.write_private(self.path, f"{database_id}\n")
            self.exists, self.database_id = True, database_id


def mark_path(database: Path) -> Path:
    """Return the path of a database's mark."""
    return database.with_name(f"{database.stem}.database-id")


def require_not_lost(database: Path, mark: DatabaseMark) -> None:
    """Check that a missing or empty database file is a first start.

    Raises:
        DatabaseError: If the file had content before.
        OSError: If the folder cannot be read.
    """
    if database.exists() and database.stat().st_size > 0:
        return
    reason = "the file is empty" if database.exists() else "the file is missing"
    if mark.exists:
        raise lost_error(database, mark, reason)
    # SQLite deletes the write-ahead log of an empty database.
    log = database.with_name(f"{database.name}-wal")
    if log.exists() and log.stat().st_size > 0:
        raise DatabaseError(
            f"{database}: the database was lost: {reason}, but {log.name} contains data:"
            f" restore a backup, or move {log} away to create an empty database"
        )


def lost_error(database: Path, mark: DatabaseMark, reason: str) -> DatabaseError:
    """Return the error for a database that lost its content."""
    return DatabaseError(
        f"{database}: the database was lost: {reason}, but {mark.path.name} shows that it was"
        f" created before: restore a backup, or delete {mark.path} to create an empty database"
    )
