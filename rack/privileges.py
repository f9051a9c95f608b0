"""Rights of a process that root started, for folders of other users."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rack.errors import PiRackError

_UNMAPPED_USER = 65534
"""Owner that the kernel reports for files of users outside of a user namespace, such as root."""


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Run the block with the rights of the owner of a folder, if this process runs as root.

    The owner can replace files in the folder with links to any file. Root would read or change the
    linked file. The owner of the topmost folder that does not belong to root counts, because it can
    also replace the folders in it. All threads of the process are affected.

    Raises:
        PiRackError: If the kernel refuses to change the user.
        OSError: If the folder cannot be examined.
    """
    owned = _topmost_folder_of_other_user(folder) if os.geteuid() == 0 else None
    if owned is None:
        yield
        return
    root_group, root_groups, root_home = os.getegid(), os.getgroups(), os.environ.get("HOME")
    home = _become_owner(owned)
    os.environ["HOME"] = home  # the owner cannot read the home folder of root
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(root_group)
        os.setgroups(root_groups)
        if root_home is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = root_home


def _topmost_folder_of_other_user(folder: Path) -> Path | None:
    folder = folder.absolute()
    for ancestor in (*reversed(folder.parents), folder):
        if not ancestor.exists():
            return None
        if ancestor.stat().st_uid not in {0, _UNMAPPED_USER}:
            return ancestor
    return None


def _become_owner(folder: Path) -> str:
    """Change the effective user and groups to the owner of a folder. Return its home folder."""
    status = folder.stat()
    group, groups, home = status.st_gid, [status.st_gid], "/"
    with suppress(KeyError):  # for example a user of a container
        entry = pwd.getpwuid(status.st_uid)
        group, home = entry.pw_gid, entry.pw_dir
        groups = os.getgrouplist(entry.pw_name, group)
    try:
        os.setgroups(groups)
        os.setegid(group)
        os.seteuid(status.st_uid)
    except OSError as error:
        raise PiRackError(
            f"{folder} belongs to another user ({status.st_uid}), whose rights cannot be used:"
            f" {error.strerror}: run the command as this user"
        ) from error
    return home
