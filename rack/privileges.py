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
    linked file. The owner of the topmost folder that does not belong to root counts, because it can
    also replace the folders in it. All threads of the process are affected.

    Raises:
        OSError: If the folder cannot be examined, or the kernel refuses to change the user.
    """
    owned = _topmost_folder_of_other_user(folder) if os.geteuid() == 0 else None
    if owned is None:
        yield
        return
    owner = owned.stat().st_uid
    root_group, root_groups, root_home = os.getegid(), os.getgroups(), os.environ.get("HOME")
    group, groups, home = _login(owner, owned)
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


def _topmost_folder_of_other_user(folder: Path) -> Path | None:
    folder = folder.absolute()
    for ancestor in (*reversed(folder.parents), folder):
        if not ancestor.exists():
            return None
        if ancestor.stat().st_uid != 0:
            return ancestor
    return None


def _login(user: int, folder: Path) -> tuple[int, list[int], str]:
    """Return the primary group, all groups and the home folder of a user."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:  # for example a user of a container
        group = folder.stat().st_gid
        return group, [group], "/"
    return entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid), entry.pw_dir
