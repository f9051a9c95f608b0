"""Restoration of a backup. Everything is verified before the first file is replaced."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.backup.contents import Backup, BackupFile, BackupPaths, check_integrity
from controller.errors import BackupError
from rack import files, schema
from rack.database import APPLICATION_ID
from rack.database_mark import DatabaseMark, mark_path
from rack.errors import LayoutError
from rack.layout_file import parse
from rack.lock import exclusive_access, locked_folder
from rack.privileges import as_owner_of

_HOLDER = "restoration"
_IN_BACKUP = "the database in the backup"


@dataclass(frozen=True, slots=True)
class _StagedFile:
    """A complete temporary file next to the file that it replaces."""

    root: Path
    path: Path
    temporary: Path


def restore_backup(backup: Backup, paths: BackupPaths) -> None:
    """Replace the database and the files of a rack with those of a backup.

    Files that are not in the backup stay. If the machine fails during the replacement, a second
    restoration completes it.

    Raises:
        DatabaseInUseError: If a controller or an installer uses the database.
        BackupError: If the backup does not fit this machine, or a file cannot be written.
    """
    roots = [_find_root(file, paths) for file in backup.files]
    _check_layout(backup, paths.layout)
    with ExitStack() as stack:
        state = paths.database.parent
        with as_owner_of(state):
            stack.enter_context(exclusive_access(paths.database, _HOLDER))
        try:
            database = stack.enter_context(_staged_database(backup.database, paths.database))
            staged = [
                stack.enter_context(_staged_file(file, root))
                for file, root in zip(backup.files, roots, strict=True)
            ]
            for file in staged:
                with as_owner_of(file.root.parent):
                    files.rename_durably(file.temporary, file.path)
            with as_owner_of(state):
                _replace_database(database, paths.database)
        except OSError as error:
            raise BackupError(
                f"{error.filename or state}: {error.strerror}: fix this, then restore again"
            ) from error


def _find_root(file: BackupFile, paths: BackupPaths) -> Path:
    """Return the configured path that contains a file. Reject all other files."""
    for root in paths.roots:
        if file.path == root or root in file.path.parents:
            if Path(os.path.normpath(file.path)) != file.path:
                break
            with as_owner_of(root.parent):
                linked = next((path for path in _below(root, file.path) if path.is_symlink()), None)
            if linked:
                raise BackupError(f"{linked} is a link: remove it, then restore again")
            return root
    raise BackupError(
        f"the backup contains {file.path}, which does not belong to this rack: use the options with"
        " which the backup was made"
    )


def _below(root: Path, path: Path) -> Iterator[Path]:
    """Yield `root`, `path` and all folders between them."""
    yield path
    for parent in path.parents:
        if parent == root.parent:
            return
        yield parent


def _check_layout(backup: Backup, layout: Path) -> None:
    content = next((file.content for file in backup.files if file.path == layout), None)
    if content is None:
        raise BackupError(f"the backup does not contain {layout}: name the layout with --rack")
    try:
        parse(content.decode(), layout)
    except (LayoutError, UnicodeDecodeError) as error:
        raise BackupError(f"the layout in the backup is invalid: {error}") from error


@contextmanager
def _staged_file(file: BackupFile, root: Path) -> Iterator[_StagedFile]:
    """Write a temporary file with the owner and mode of a file in the backup."""
    with as_owner_of(root.parent):
        folder_mode = 0o755 if file.mode & 0o077 else 0o700
        file.path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
        temporary = _write_temporary(file.path, file.content)
    try:
        with as_owner_of(root.parent):
            _set_owner_and_mode(temporary, file)
        yield _StagedFile(root, file.path, temporary)
    finally:
        with as_owner_of(root.parent):
            temporary.unlink(missing_ok=True)


def _set_owner_and_mode(temporary: Path, file: BackupFile) -> None:
    if os.geteuid() == 0:  # a file that another user creates belongs to this user
        user, group = (int(name) if name.isdigit() else name for name in (file.user, file.group))
        try:
            shutil.chown(temporary, user, group)
        except LookupError as error:
            raise BackupError(f"{file.path}: {error}: create it, then restore again") from error
    temporary.chmod(file.mode)


@contextmanager
def _staged_database(content: bytes, database: Path) -> Iterator[Path]:
    """Write and check a temporary database."""
    with as_owner_of(database.parent):
        temporary = _write_temporary(database, content)
    try:
        with as_owner_of(database.parent):
            _check_database(temporary)
        yield temporary
    finally:
        with as_owner_of(database.parent):
            temporary.unlink(missing_ok=True)


def _write_temporary(path: Path, content: bytes) -> Path:
    """Write a file with mode 0600 in the folder of `path`, durably."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.restore-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return Path(name)


@contextmanager
def _read_only(database: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


def _check_database(database: Path) -> None:
    try:
        with _read_only(database) as connection:
            application, version = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("application_id", "user_version")
            )
            check_integrity(connection, _IN_BACKUP)
    except sqlite3.Error as error:
        raise BackupError(f"{_IN_BACKUP} is damaged ({error}): use another backup") from error
    if application != APPLICATION_ID or not 0 < version <= len(schema.MIGRATIONS):
        raise BackupError(
            f"{_IN_BACKUP} has the schema {version}, which this PiRack does not"
            " support: upgrade PiRack"
        )


def _replace_database(new: Path, database: Path) -> None:
    """Replace the database. Its mark gets the id of the new database."""
    database_id = _database_id(new)
    with locked_folder(database.parent):
        for suffix in ("-wal", "-shm"):  # they belong to the previous database
            database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
        mark_path(database).unlink(missing_ok=True)
        files.rename_durably(new, database)
        if database_id is not None:
            DatabaseMark(database).write(database_id)


def _database_id(database: Path) -> str | None:
    """Return the id of a database, or None for a database of an older PiRack."""
    with _read_only(database) as connection:
        tables: Sequence[tuple[str]] = connection.execute(
            "SELECT name FROM sqlite_master WHERE name = 'identity'"
        ).fetchall()
        row = connection.execute("SELECT id FROM identity").fetchone() if tables else None
    return str(row[0]) if row else None
