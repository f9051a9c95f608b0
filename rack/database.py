"""pirack.db: one SQLite file for all that the machine itself has to remember."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rack import schema
from rack.errors import DatabaseError

_APPLICATION_ID = 0x50695261  # "PiRa": tells our file from any other SQLite file


class Database:
    """The file, opened anew for each piece of work, so that threads never share a connection."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        """Open or make the file at `path` and bring its schema up to date.

        Args:
            path: the file; its folder must exist.
            timeout: seconds to wait for another process's write.

        Raises:
            DatabaseError: the file is not PiRack's, is damaged or newer, or cannot be opened.
        """
        self.path = path
        self._timeout = timeout
        with suppress(OSError):  # it is there, or SQLite says what is wrong
            os.mknod(path, 0o600)  # it holds hashes of passwords
        with self._folder_lock(), self.connection() as connection:
            self._migrate(connection)

    @contextmanager
    def _folder_lock(self) -> Iterator[None]:
        """Keep other processes from making the same new file: SQLite would refuse one of them.

        The lock is on the folder: to open the file itself and close it again would give away the
        locks that SQLite holds on it (https://sqlite.org/howtocorrupt.html, 2.2).
        """
        try:
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise DatabaseError(
                f"{self.path}: unable to open: {error.strerror}:"
                " name a file in a folder that is there"
            ) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in autocommit mode, closed afterwards: BEGIN binds several writes.

        Raises:
            DatabaseError: in place of any error of SQLite's.
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
                " put a backup in its place, or move it away"
            ) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once
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
            int(connection.execute(question).fetchone()[0])
            for question in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        )
        if tables and application != _APPLICATION_ID:
            raise DatabaseError(f"{self.path}: not a database of PiRack's: name another file")
        if version > len(schema.MIGRATIONS):
            raise DatabaseError(
                f"{self.path}: made by a newer PiRack (schema {version},"
                f" this one knows {len(schema.MIGRATIONS)}): upgrade PiRack"
            )
        return version


def open_existing(path: Path) -> Database:
    """Open a database that must be there already.

    Raises:
        DatabaseError: it is not, or it cannot be used.
    """
    if not path.exists():
        raise DatabaseError(
            f"{path}: there is no such file: name the controller's by --db,"
            " or start the controller first"
        )
    return Database(path)
