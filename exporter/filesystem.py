"""The one command that the exporter answers itself: `statvfs PATH FIELD`.

No shell can ask for a file system's size without starting a process.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Statvfs = Callable[[str], os.statvfs_result]
"""What `os.statvfs` does: a path in, a file system's figures out. Raises OSError."""

_FIELDS: dict[str, Callable[[os.statvfs_result], int]] = {
    "available": lambda stat: stat.f_bavail * stat.f_frsize,
    "size": lambda stat: stat.f_blocks * stat.f_frsize,
    "readonly": lambda stat: int(bool(stat.f_flag & os.ST_RDONLY)),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One figure of the file system that holds `path`.

    `field` is `available` (bytes that an unprivileged user can still fill), `size` (bytes) or
    `readonly` (1 or 0).
    """

    path: str
    field: str


def parse(command: str) -> Question | None:
    """Return the question that `command` asks, or None if it is any other command.

    Raises ValueError, with the mend, for a `statvfs` that cannot be answered.
    """
    if command.split(maxsplit=1)[:1] != ["statvfs"]:
        return None
    mend = f"write statvfs PATH {'|'.join(_FIELDS)} and nothing else"
    try:
        _, path, field = shlex.split(command)
    except ValueError:
        raise ValueError(f"statvfs is answered by the exporter, not by a shell: {mend}") from None
    if not path.startswith("/"):
        raise ValueError(f"statvfs needs an absolute path, not {path!r}: {mend}")
    if field not in _FIELDS:
        raise ValueError(f"statvfs knows no {field!r}: {mend}")
    return Question(path, field)


def answer(question: Question, root: Path, statvfs: Statvfs) -> int:
    """Ask the kernel, with the question's path looked up below `root`. Raises OSError."""
    return _FIELDS[question.field](statvfs(str(root / question.path.lstrip("/"))))
