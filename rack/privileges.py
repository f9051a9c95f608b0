"""Rights of a process that root started, for folders of other users."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Run the block with the rights of the owner of a folder, if this process runs as root.

    The owner can replace files in the folder with links to any file. Root would read or change the
    linked file. All threads of the process are affected. A missing folder changes nothing.

    Raises:
        OSError: If the folder cannot be examined, or the kernel refuses to change the user.
    """
    owner = folder.stat().st_uid if folder.exists() else 0
    if os.geteuid() != 0 or owner == 0:
        yield
        return
    root_group, root_groups, root_home = os.getegid(), os.getgroups(), os.environ.get("HOME")
    group, groups, home = _login(owner, folder)
    try:
        os.environ["HOME"] = home  # the owner cannot read the home folder of root
        os.setgroups(groups)
        os.setegid(group)
        os.seteuid(owner)
        yield
    finally:
        os.seteuid(0)
        os.setegid(root_group)
        os.setgroups(root_groups)
        if root_home is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = root_home


def _login(user: int, folder: Path) -> tuple[int, list[int], str]:
    """Return the primary group, all groups and the home folder of a user."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:  # for example a user of a container
        group = folder.stat().st_gid
        return group, [group], "/"
    return entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid), entry.pw_dir
