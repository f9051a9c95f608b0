"""Files of another user, for tests that run as root."""

import os
import pwd
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OTHER_USER = pwd.getpwuid(1)
"""A system user that owns no files, `daemon` in Debian."""


@contextmanager
def folder_of_other_user() -> Iterator[Path]:
    """Create a folder of `OTHER_USER` in a folder of root that every user can enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can create files of another user")
    parent = Path(tempfile.mkdtemp(prefix="pirack-"))
    try:
        parent.chmod(0o711)
        folder = parent / "folder"
        folder.mkdir()
        give_to_other_user(folder)
        yield folder
    finally:
        shutil.rmtree(parent)


def give_to_other_user(*paths: Path) -> None:
    """Make `OTHER_USER` the owner of these files and links."""
    for path in paths:
        os.chown(path, OTHER_USER.pw_uid, OTHER_USER.pw_gid, follow_symlinks=False)


def python_for_every_user() -> tuple[str, dict[str, str]]:
    """Return a Python that every user can run, and its environment variables.

    The Python of the tests may be in the home folder of root.
    """
    base = Path(sys.base_prefix)
    if all(folder.stat().st_mode & 0o001 for folder in (base, *base.parents)):
        return sys.executable, {}
    system_python = f"/usr/bin/python3.{sys.version_info.minor}"
    if not Path(system_python).exists():
        pytest.skip(f"other users cannot run {sys.executable}, and {system_python} is missing")
    return system_python, {"PYTHONPATH": sysconfig.get_path("purelib")}


class Victim:
    """A file of root that no other user can read or change."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "victim"
        self.path.write_text("root:secret\n")
        self.path.chmod(0o600)
        self._previous = self._state()

    @property
    def is_unchanged(self) -> bool:
        """Whether content, owner and mode are the same."""
        return self._state() == self._previous

    def _state(self) -> tuple[str, int, int, int]:
        status = self.path.stat()
        return self.path.read_text(), status.st_uid, status.st_gid, status.st_mode
