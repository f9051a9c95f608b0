"""Owners and modes in folders of the controller's user. Standard library only.

The controller's user can replace the entries of its folders with links. Root must not follow such a
link, so the functions open each entry without following links and change only what they opened.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.system import MasterSetupError


@dataclass(frozen=True)
class Owner:
    """Names of a user and a group."""

    user: str
    group: str

    @property
    def ids(self) -> tuple[int, int]:
        """User id and group id."""
        return pwd.getpwnam(self.user).pw_uid, grp.getgrnam(self.group).gr_gid


def make_folder(path: Path, owner: Owner, mode: int) -> None:
    """Create a folder if it does not exist, and set its owner and mode.

    Raises:
        MasterSetupError: If `path` is a link or another file.
    """
    with _opened_parent(path) as parent:
        with suppress(FileExistsError):
            os.mkdir(path.name, 0o700, dir_fd=parent)
        with _opened(path, os.O_RDONLY | os.O_DIRECTORY, parent) as folder:
            os.fchown(folder, *owner.ids)
            os.fchmod(folder, mode)


def make_file(path: Path, owner: Owner) -> None:
    """Create an empty file if it does not exist, and set its owner.

    Raises:
        MasterSetupError: If `path` is a link or not a regular file, or has several names.
    """
    # O_NONBLOCK does not wait for the other end of a pipe.
    flags = os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK
    with _opened_parent(path) as parent, _opened(path, flags, parent) as file:
        status = os.fstat(file)
        if (status.st_uid, status.st_gid) == owner.ids:
            return
        # Another name of the file may be a file of root.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise _unexpected(path)
        os.fchown(file, *owner.ids)


def read_file(path: Path) -> tuple[bytes, int]:
    """Return the content and the mode of a file.

    Raises:
        MasterSetupError: If `path` is a link or not a regular file, or has several names.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK
    with _opened_parent(path) as parent, _opened(path, flags, parent) as descriptor:
        status = os.fstat(descriptor)
        # Another name of the file may be a file of root.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise _unexpected(path)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(), stat.S_IMODE(status.st_mode)


@contextmanager
def _opened_parent(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path, flags: int, parent: int) -> Iterator[int]:
    try:
        descriptor = os.open(path.name, flags | os.O_NOFOLLOW, 0o644, dir_fd=parent)
    except OSError as error:
        raise _unexpected(path) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unexpected(path: Path) -> MasterSetupError:
    return MasterSetupError(
        f"{path} is a link or another unexpected file: remove it, then run this command again"
    )
