"""Open pirack.db, the SQLite file with everything that PiRack stores."""

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rack import schema
from rack.database_mark import DatabaseMark, lost_error, require_not_lost
from rack.errors import DatabaseError
from rack.lock import locked_folder

MAX_ROW_ID = 2**63 - 1
"""Largest row id in SQLite."""

APPLICATION_ID = 0x50695261
"""`PiRa`, which marks a SQLite file as PiRack's."""

_HINT_BY_ERROR = {
    sqlite3.SQLITE_CORRUPT: "restore a backup of the database",
    sqlite3.SQLITE_NOTADB: "restore a backup of the database, or name another file",
    sqlite3.SQLITE_BUSY: "try again when the other program has finished",
    sqlite3.SQLITE_FULL: "free space on the file system",
}


class Database:
    """The database file. Each use opens a connection, so that threads share no connection."""

    _mode = "rw"  # never creates the file

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        """Open or create the file and upgrade its schema.

        The file is created only if no database was created at this path before.

        Args:
            path: Path of the file. Its folder must exist.
            timeout: Seconds to wait for another process's transaction.

        Raises:
            DatabaseError: If the file is damaged, lost or of another installation, cannot be
                opened, or was created by a newer PiRack or another program.
        """
        self.path = path
        self._timeout = timeout
        # Two processes must not create the file at the same time. The lock is on the folder,
        # because closing the file would release SQLite's locks
        # (https://sqlite.org/howtocorrupt.html, 2.2).
        try:
            with locked_folder(path.parent):
                mark = DatabaseMark(path)
                require_not_lost(path, mark)
                with suppress(OSError):  # the file exists, or SQLite reports the error
                    os.mknod(path, 0o600)  # the file contains password hashes
                with self.connection() as connection:
                    database_id = self._migrate(connection, mark)
                mark.write(database_id)
        except OSError as error:
            raise DatabaseError(
                f"{path}: unable to open: {error.strerror}: name a file in an existing folder that"
                " this user can write"
            ) from error

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Return a connection in autocommit mode. Use BEGIN for transactions.

        Raises:
            DatabaseError: If SQLite raises an error.
        """
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={self._mode}",
                timeout=self._timeout,
                isolation_level=None,
                uri=True,
            )
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise DatabaseError(
                f"{self.path}: {error}: nothing was written; {_hint(error)}"
            ) from error

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep a connection open, which makes all others faster.

        Otherwise, SQLite creates the files of its log when a connection reads, and deletes them
        when the last one is closed, which also writes to an SD card.
        """
        with self.connection() as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield

    def _migrate(self, connection: sqlite3.Connection, mark: DatabaseMark) -> str:
        """Upgrade the schema and return the id of the database."""
        connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at the same time
        version = self._version(connection)
        if version == 0 and mark.exists:
            raise lost_error(self.path, mark, "the file contains no tables")
        for number, statements in enumerate(schema.MIGRATIONS[version:], start=version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database_id = self._load_or_create_id(connection, mark)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        return database_id

    def _load_or_create_id(self, connection: sqlite3.Connection, mark: DatabaseMark) -> str:
        row = connection.execute("SELECT id FROM identity").fetchone()
        if row is None:  # the database is new, or was created by an older PiRack
            database_id = mark.database_id or secrets.token_hex(16)
            connection.execute("INSERT INTO identity VALUES (?)", (database_id,))
            return database_id
        database_id = str(row[0])
        if mark.database_id not in {None, database_id}:
            raise DatabaseError(
                f"{self.path}: the database belongs to another installation: its id is"
                f" {database_id}, but {mark.path.name} contains {mark.database_id}: restore the"
                f" database of this rack, or delete {mark.path} to use this database"
            )
        return database_id

    def _version(self, connection: sqlite3.Connection) -> int:
        application, version, tables = (
            int(connection.execute(query).fetchone()[0])
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        )
        if tables and application != APPLICATION_ID:
            raise DatabaseError(
                f"{self.path}: not a PiRack database: restore a backup, or name another file"
            )
        if version > len(schema.MIGRATIONS):
            raise DatabaseError(
                f"{self.path}: created by a newer PiRack (schema {version},"
                f" this one supports {len(schema.MIGRATIONS)}): upgrade PiRack"
            )
        return version


class ReadOnlyDatabase(Database):
    """An existing database that is only read."""

    _mode = "ro"

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        """Open the file, without an upgrade of its schema.

        Raises:
            DatabaseError: If the file does not exist, cannot be used or has another schema.
        """
        _require_created(path)
        self.path = path
        self._timeout = timeout
        with self.connection() as connection:
            version = self._version(connection)
        if version != len(schema.MIGRATIONS):
            raise DatabaseError(
                f"{path}: created by an older PiRack (schema {version}, this one uses"
                f" {len(schema.MIGRATIONS)}): start the controller, which upgrades it"
            )


def _hint(error: sqlite3.Error) -> str:
    # The low byte of an extended error code is the primary code. Errors of the Python module have
    # no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _HINT_BY_ERROR.get(code, "check that the file exists and that this user can write it")


def where_clause(conditions: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return an SQL clause of the conditions that have a value, and their values.

    Args:
        conditions: Value of each condition, such as `id < ?`. None omits the condition.
    """
    given = {condition: value for condition, value in conditions.items() if value is not None}
    return (f"WHERE {' AND '.join(given)}" if given else ""), list(given.values())


def open_existing(path: Path) -> Database:
    """Open a database that must exist.

    Raises:
        DatabaseError: If the file does not exist or cannot be used.
    """
    _require_created(path)
    return Database(path)


def _require_created(path: Path) -> None:
    try:
        require_not_lost(path, DatabaseMark(path))
        is_created = path.exists() and path.stat().st_size > 0
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}: name a readable file with --db") from error
    if not is_created:
        raise DatabaseError(
            f"{path}: file not found: name the controller's database with --db,"
            " or start the controller first"
        )
