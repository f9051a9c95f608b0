"""Open pirack.db, the SQLite file with everything that PiRack stores."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rack import schema
from rack.errors import DatabaseError
from rack.lock import locked_folder

MAX_ROW_ID = 2**63 - 1
"""Largest row id in SQLite."""

_APPLICATION_ID = 0x50695261  # "PiRa", marks a SQLite file as PiRack's


class Database:
    """The database file. Each use opens a connection, so that threads share no connection."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        """Open or create the file and upgrade its schema.

        Args:
            path: Path of the file. Its folder must exist.
            timeout: Seconds to wait for another process's transaction.

        Raises:
            DatabaseError: If the file is damaged, cannot be opened, or was created by a newer
                PiRack or another program.
        """
        self.path = path
        self._timeout = timeout
        with suppress(OSError):  # the file exists, or SQLite reports the error
            os.mknod(path, 0o600)  # the file contains password hashes
        # Two processes must not create the file at the same time. The lock is on the folder,
        # because closing the file would release SQLite's locks
        # (https://sqlite.org/howtocorrupt.html, 2.2).
        try:
            with locked_folder(path.parent), self.connection() as connection:
                self._migrate(connection)
        except OSError as error:
            raise DatabaseError(
                f"{path}: unable to open: {error.strerror}: name a file in an existing folder"
            ) from error

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Return a connection in autocommit mode. Use BEGIN for transactions.

        Raises:
            DatabaseError: If SQLite raises an error.
        """
        try:
            connection = sqlite3.connect(self.path, timeout=self._timeout, isolation_level=None)
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise DatabaseError(
                f"{self.path}: {error}: nothing was written;"
                " replace the file with a backup, or move it away"
            ) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at the same time
        version = self._version(connection)
        for number, statements in enumerate(schema.MIGRATIONS[version:], start=version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")

    def _version(self, connection: sqlite3.Connection) -> int:
        application, version, tables = (
            int(connection.execute(query).fetchone()[0])
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        )
        if tables and application != _APPLICATION_ID:
            raise DatabaseError(f"{self.path}: not a PiRack database: name another file")
        if version > len(schema.MIGRATIONS):
            raise DatabaseError(
                f"{self.path}: created by a newer PiRack (schema {version},"
                f" this one supports {len(schema.MIGRATIONS)}): upgrade PiRack"
            )
        return version


def open_existing(path: Path) -> Database:
    """Open a database that must exist.

    Raises:
        DatabaseError: If the file does not exist or cannot be used.
    """
    if not path.exists():
        raise DatabaseError(
            f"{path}: file not found: name the controller's database with --db,"
            " or start the controller first"
        )
    return Database(path)
