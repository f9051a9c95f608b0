"""What the exporter asks the kernel itself: `statvfs PATH FIELD` and `btime`.

These two are commands of the exporter's own. No shell can ask for a file system's figures without
starting a process, and a shell would read all of `/proc/stat` byte by byte to find the boot time.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Statvfs = Callable[[str], os.statvfs_result]
"""What `os.statvfs` does: a path in, a file system's figures out. Raises OSError."""

_FIELDS: dict[str, Callable[[os.statvfs_result], int]] = {
    "available": lambda stat: stat.f_bavail * stat.f_frsize,
    "size": lambda stat: stat.f_blocks * stat.f_frsize,
}
_BOOT_TIME = b"\nbtime "


class NativeCommand(Protocol):
    """Something that the kernel knows."""

    def run(self, root: Path, statvfs: Statvfs) -> int:  # noqa: ARG002
        """Ask, with every path looked up below `root`. Raises OSError."""


@dataclass(frozen=True, slots=True)
class StatvfsCommand:
    """One figure of the file system that holds `path`.

    `field` is `available` (bytes that an unprivileged user can still fill) or `size` (bytes).
    """

    path: str
    field: str

    def run(self, root: Path, statvfs: Statvfs) -> int:  # noqa: ARG002
        """Return the bytes. Raises OSError."""
        return _FIELDS[self.field](statvfs(str(root / self.path.lstrip("/"))))


@dataclass(frozen=True, slots=True)
class BootTimeCommand:
    """When the system was booted, by its own clock."""

    def run(self, root: Path, statvfs: Statvfs) -> int:  # noqa: ARG002
        """Return seconds since 1970. Raises OSError.

        From the line `btime` of /proc/stat, see Documentation/filesystems/proc.rst of the kernel.
        """
        path = root / "proc/stat"
        _, _, rest = path.read_bytes().partition(_BOOT_TIME)
        try:
            return int(rest.partition(b"\n")[0])
        except ValueError:
            raise OSError(None, "no btime in it", str(path)) from None


def parse(command: str) -> NativeCommand | None:
    """Return the question that `command` is, or None if it is a command for a shell.

    Raises ValueError, with the mend, for a question that cannot be asked.
    """
    match command.split():
        case ["btime"]:
            return BootTimeCommand()
        case ["btime", *_]:
            raise ValueError("btime is answered by the exporter, not by a shell: write btime alone")
        case ["statvfs", *_]:
            return _parse_statvfs(command)
    return None


def _parse_statvfs(command: str) -> StatvfsCommand:
    mend = f"write statvfs PATH {'|'.join(_FIELDS)} and nothing else"
    try:
        _, path, field = shlex.split(command)
    except ValueError:
        raise ValueError(f"statvfs is answered by the exporter, not by a shell: {mend}") from None
    if not path.startswith("/"):
        raise ValueError(f"statvfs needs an absolute path, not {path!r}: {mend}")
    if field not in _FIELDS:
        raise ValueError(f"statvfs knows no {field!r}: {mend}")
    return StatvfsCommand(path, field)
