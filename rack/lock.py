"""One program a database that drives the relays: two would each undo what the other ordered."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rack.errors import DatabaseError, PiRackError

CONTROLLER = "controller"
"""What the controller calls itself to those who find the lock held."""


class DatabaseInUseError(PiRackError):
    """Another program drives the relays of the same database; `holder` is what it calls itself."""

    def __init__(self, holder: str, process: str, database: Path) -> None:
        self.holder = holder
        super().__init__(
            f"another {holder} (process {process}) runs with {database}:"
            " end it first, or name another --db"
        )


@contextmanager
def exclusive_access(database: Path, holder: str) -> Iterator[None]:
    """Hold the lock beside a database; the kernel frees it however this process ends.

    Args:
        database: pirack.db.
        holder: what this program is, for those who are refused.

    Raises:
        InUse: another process holds it.
        DatabaseError: the lock's file cannot be written.
    """
    path = database.with_name(f"{database.name}.lock")
    try:
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise DatabaseError(
            f"{path}: {error.strerror}: name a --db in a folder that can be written"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            other, _, process = file.read().strip().rpartition(" ")
            raise DatabaseInUseError(other, process, database) from error
        file.truncate(0)
        file.write(f"{holder} {os.getpid()}\n")
        file.flush()
        yield
