"""The commands that the exporter runs without a shell: `statvfs`, `btime` and `root_readonly`.

A shell must start a process to get the size of a file system, and reads /proc byte by byte.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exporter.root_filesystem import is_root_read_only

Statvfs = Callable[[str], os.statvfs_result]
"""Signature of `os.statvfs`."""

_FIELDS: dict[str, Callable[[os.statvfs_result], int]] = {
    "available": lambda stat: stat.f_bavail * stat.f_frsize,
    "size": lambda stat: stat.f_blocks * stat.f_frsize,
}
_BOOT_TIME = b"\nbtime "


class NativeCommand(Protocol):
    """A command that runs in this process."""

    def run(self, root: Path, statvfs: Statvfs) -> int:
        """Return the value. Paths are relative to `root`. Raise OSError."""


@dataclass(frozen=True, slots=True)
class StatvfsCommand:
    """Size of the file system at `path`, or the bytes available to unprivileged users."""

    path: str
    field: str

    def run(self, root: Path, statvfs: Statvfs) -> int:
        """Return the number of bytes. Raise OSError."""
        return _FIELDS[self.field](statvfs(str(root / self.path.lstrip("/"))))


@dataclass(frozen=True, slots=True)
class BootTimeCommand:
    """Boot time of the system, according to the system clock."""

    def run(self, root: Path, statvfs: Statvfs) -> int:  # noqa: ARG002
        """Return `btime` of /proc/stat, in seconds since the epoch. Raise OSError."""
        path = root / "proc/stat"
        _, _, rest = path.read_bytes().partition(_BOOT_TIME)
        try:
            return int(rest.partition(b"\n")[0])
        except ValueError:
            raise OSError(None, "contains no btime", str(path)) from None


@dataclass(frozen=True, slots=True)
class RootReadOnlyCommand:
    """Whether the root file system is read-only."""

    def run(self, root: Path, statvfs: Statvfs) -> int:  # noqa: ARG002
        """Return 1 if the root file system is read-only, otherwise 0. Raise OSError."""
        return int(is_root_read_only(root))


_WITHOUT_ARGUMENTS: dict[str, NativeCommand] = {
    "btime": BootTimeCommand(),
    "root_readonly": RootReadOnlyCommand(),
}


def parse(command: str) -> NativeCommand | None:
    """Return the native command, or None if a shell must run it.

    Raises:
        ValueError: If the arguments are invalid. The text contains a fix.
    """
    match command.split():
        case [name] if name in _WITHOUT_ARGUMENTS:
            return _WITHOUT_ARGUMENTS[name]
        case [name, *_] if name in _WITHOUT_ARGUMENTS:
            raise ValueError(
                f"{name} takes no arguments, because no shell runs it: write {name} only"
            )
        case ["statvfs", *_]:
            return _parse_statvfs(command)
    return None


def _parse_statvfs(command: str) -> StatvfsCommand:
    hint = f"write statvfs PATH {'|'.join(_FIELDS)} only"
    try:
        _, path, field = shlex.split(command)
    except ValueError:
        raise ValueError(f"statvfs takes two arguments, because no shell runs it: {hint}") from None
    if not path.startswith("/"):
        raise ValueError(f"statvfs needs an absolute path, not {path!r}: {hint}")
    if field not in _FIELDS:
        raise ValueError(f"unknown statvfs field {field!r}: {hint}")
    return StatvfsCommand(path, field)
