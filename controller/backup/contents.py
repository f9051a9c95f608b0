"""Contents of a backup: a copy of the database, and the files of the rack."""

import grp
import os
import pwd
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from controller.errors import BackupError
from rack.database import open_existing
from rack.privileges import as_owner_of

_PROGRAM_FOLDER = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class BackupFile:
    """Content, mode and owner of a file."""

    path: Path
    mode: int
    user: str
    group: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Backup:
    """The database and the files of a rack."""

    database: bytes
    files: tuple[BackupFile, ...]


@dataclass(frozen=True, slots=True)
class BackupPaths:
    """Absolute paths that a backup contains, and that a restoration may write.

    Args:
        database: Path of pirack.db.
        layout: Path of rack.toml.
        others: Other files, and folders with all their files. They need not exist.
    """

    database: Path
    layout: Path
    others: tuple[Path, ...]

    @property
    def roots(self) -> tuple[Path, ...]:
        """Files and folders besides the database."""
        return (self.layout, *self.others)


def make_backup(paths: BackupPaths, on_skipped: Callable[[Path], object]) -> Backup:
    """Read the database and the files. The controller may be running.

    Args:
        paths: The paths.
        on_skipped: Receives each link that does not belong to PiRack. Links are not included.

    Raises:
        BackupError: If a file cannot be read, or rack.toml does not exist.
        DatabaseError: If the database does not exist, cannot be read or is damaged.
    """
    with as_owner_of(paths.database.parent):
        database = _copy_database(paths.database)
    files: dict[Path, BackupFile] = {}
    for root in paths.roots:
        with as_owner_of(root.parent):
            try:
                for path in _find_files(root):
                    if not path.is_symlink():
                        files[path] = _read(path)
                    elif not _is_own_link(path, paths.database.parent):
                        on_skipped(path)
            except OSError as error:
                raise BackupError(f"{error.filename or root}: {error.strerror}") from error
    if paths.layout not in files:
        raise BackupError(f"{paths.layout}: file not found: name the layout with --rack")
    return Backup(database, tuple(files[path] for path in sorted(files)))


def _copy_database(path: Path) -> bytes:
    """Return a consistent copy of the database, which other processes may be writing."""
    with open_existing(path).connection() as connection, closing(_in_memory()) as copy:
        connection.backup(copy)
        check_integrity(copy, str(path))
        return copy.serialize()


def check_integrity(connection: sqlite3.Connection, name: str) -> None:
    """Check a database. Raise `BackupError` with the name of the database if it is damaged."""
    [problem] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if problem != "ok":
        raise BackupError(f"{name} is damaged ({problem}): use an intact backup")


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _find_files(path: Path) -> Iterator[Path]:
    """Yield a file or link, or all files and links in a folder, without following links."""
    if path.is_symlink() or path.is_file():
        yield path
    elif path.is_dir():
        for entry in sorted(path.iterdir()):
            yield from _find_files(entry)


def _is_own_link(path: Path, state: Path) -> bool:
    """Return whether a link leads to the program or the state folder, as on every master."""
    target = path.resolve()
    return any(target.is_relative_to(folder) for folder in (_PROGRAM_FOLDER, state.resolve()))


def _read(path: Path) -> BackupFile:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode) & 0o777
        user, group = _user_name(status.st_uid), _group_name(status.st_gid)
        return BackupFile(path, mode, user, group, file.read())


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
