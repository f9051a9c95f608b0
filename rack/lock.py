"""Locks between processes. The kernel releases them when the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rack.errors import DatabaseError, PiRackError
from rack.files import chown_to_folder_owner

CONTROLLER = "controller"
"""Holder name that the controller records in the lock file."""


class DatabaseInUseError(PiRackError):
    """Another process drives the relays of the database; `holder` is its recorded name."""

    def __init__(self, holder: str, process: str, database: Path) -> None:
        self.holder = holder
        super().__init__(
            f"another {holder} (process {process}) uses {database}:"
            " stop it first, or name another --db"
        )


@contextmanager
def exclusive_access(database: Path, holder: str) -> Iterator[None]:
    """Lock a database, so that only one process drives its relays.

    Args:
        database: Path of pirack.db.
        holder: Name of this program, for the error message of other processes.

    Raises:
        DatabaseInUseError: If another process holds the lock.
        DatabaseError: If the lock file cannot be written.
    """
    path = database.with_name(f"{database.name}.lock")
    try:
        # Root must not write to the target of another user's link.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        file = os.fdopen(os.open(path, flags, 0o644), "a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise DatabaseError(
            f"{path}: {error.strerror}: name a --db in a writable folder"
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


@contextmanager
def locked_folder(folder: Path, *, create: bool = False) -> Iterator[None]:
    """Lock a folder against concurrent writers. Wait while another process holds the lock.

    Args:
        folder: The folder.
        create: Whether to create a missing folder, with access for its owner only.

    Raises:
        OSError: If the folder cannot be created or opened.
    """
    is_new = create and not folder.exists()
    if is_new:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_DIRECTORY)
    try:
        if is_new:
            chown_to_folder_owner(descriptor, folder.parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
