"""Atomic file replacement. Standard library only, because deploy/ runs without other packages.

A reader sees the old content or the new content of a file, never a part of it.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file atomically. A power failure may undo the replacement.

    Raises:
        OSError: If the file cannot be written. The previous file was not changed.
    """
    with replacement_of(path, mode=mode) as file:
        file.write(_encode(content))


@contextmanager
def replacement_of(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a file that replaces another atomically at the end of a block without an error.

    Raises:
        OSError: If the file cannot be written. The previous file was not changed.
    """
    with _temporary_file(path) as (file, temporary):
        os.fchmod(file.fileno(), mode)
        yield file
        file.close()
        temporary.replace(path)


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file atomically and durably, with access for its owner only.

    A file that root writes gets the owner of its folder, so that the controller can read the file.

    Raises:
        OSError: If the file cannot be written. The previous file was not changed.
    """
    with _temporary_file(path) as (file, temporary):
        chown_to_folder_owner(file.fileno(), path.parent)
        file.write(_encode(content))
        _sync(file)
        rename_durably(temporary, path)


def write_durably(path: Path, content: str | bytes, *, like: Path) -> None:
    """Write a new file to disk, with the owner and mode of the file `like` if `like` exists.

    Raises:
        OSError: If the file cannot be written.
    """
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        with suppress(FileNotFoundError):
            status = like.stat()
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), status.st_mode & 0o777)
        file.write(_encode(content))
        _sync(file)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file and sync its folder.

    If the sync fails, a power failure may undo the renaming, but the file is complete.

    Raises:
        OSError: If the file cannot be renamed.
    """
    source.replace(target)
    with suppress(OSError):
        folder = os.open(target.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def chown_to_folder_owner(descriptor: int, folder: Path) -> None:
    """Give an open file the owner of a folder, if this process runs as root."""
    if os.geteuid() == 0:
        status = folder.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


@contextmanager
def _temporary_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, temporary
    finally:
        temporary.unlink(missing_ok=True)


def _encode(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
