"""One controller a database: two would switch the same relays, each without the other's orders."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rack.errors import DatabaseError, RackError


class AnotherController(RackError):
    """Another controller runs with the same database."""


@contextmanager
def sole_controller(database: Path) -> Iterator[None]:
    """Hold the lock beside a database; the kernel frees it however this process ends.

    Raises:
        AnotherController: another process holds it.
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
            raise AnotherController(
                f"another controller (process {file.read().strip()}) runs with {database}:"
                " end it first, or name another --db"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
