"""Decide whether the root file system is read-only.

The options of the mount do not show this: the sandbox of the exporter's unit mounts `/` read-only
for the exporter alone. The options of the superblock do:

- `ro`: the file system was mounted read-only, or ext4 found an error before Linux 6.12.
- `emergency_ro`, `shutdown`: ext4 found an error, since Linux 6.15 and some releases of 6.12.

Other releases of Linux 6.12 to 6.14 show nothing after an error, but ext4 then opens no file. The
number of errors alone does not show this: it survives a reboot until fsck repairs the file system,
and with `errors=continue` the file system stays writable.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

_READ_ONLY_OPTIONS = frozenset({"ro", "emergency_ro", "shutdown"})
_PROBED_FILE = "etc/passwd"  # exists on every system and is readable by every user


@dataclass(frozen=True, slots=True)
class Superblock:
    """A mounted file system: `MAJOR:MINOR` of its device, its type, and its own options."""

    device: str
    type: str
    options: frozenset[str]


def parse_root_superblock(mountinfo: str) -> Superblock | None:
    """Return the file system at `/` in the text of /proc/self/mountinfo, or None (proc(5))."""
    found = None
    for line in mountinfo.splitlines():
        mount, _, superblock = line.partition(" - ")
        match mount.split(), superblock.split():
            case [_, _, device, _, "/", *_], [type_, _, options, *_]:
                found = Superblock(device, type_, frozenset(options.split(",")))
    return found  # the last mount hides the earlier ones


def is_root_read_only(root: Path) -> bool:
    """Return whether the root file system is read-only.

    Args:
        root: Folder that contains `proc`, `sys` and `etc`.

    Raises:
        OSError: If this is unknown.
    """
    path = root / "proc/self/mountinfo"
    superblock = parse_root_superblock(path.read_text(errors="replace"))
    if superblock is None:
        raise OSError(None, "contains no mount at /", str(path))
    if superblock.options & _READ_ONLY_OPTIONS:
        return True
    has_errors = superblock.type == "ext4" and _count_ext4_errors(root, superblock.device) > 0
    return has_errors and not _can_open_files(root)


def _count_ext4_errors(root: Path, device: str) -> int:
    """Return the number of errors since the last fsck. Zero for a device without this number."""
    try:
        uevent = (root / "sys/dev/block" / device / "uevent").read_text()
        _, _, rest = f"\n{uevent}".partition("\nDEVNAME=")
        name = rest.partition("\n")[0]
        return int((root / "sys/fs/ext4" / name / "errors_count").read_text())
    except FileNotFoundError:
        return 0


def _can_open_files(root: Path) -> bool:
    try:
        os.close(os.open(root / _PROBED_FILE, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False
    return True
