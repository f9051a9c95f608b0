"""What a command leaves behind when it leaves its process group: daemons, `setsid`.

A process that adopts orphans becomes the parent of all such processes, so it can find them. That
is for a process that starts nothing but commands: the exporter's own.
"""

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_MAX_PASSES = 20
_PAUSE = 0.005  # seconds in which a killed process is usually gone


def become_subreaper() -> None:
    """Make this process the parent of every orphan among its descendants. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def kill_orphans(keep: Collection[int]) -> None:
    """Kill and reap every child of this process but those in `keep`, and their children after them.

    A killed process hands its children on to this one, hence the rounds.
    """
    for _ in range(_MAX_PASSES):
        strays = [pid for pid in _children() if pid not in keep]
        if not strays:
            return
        for pid in strays:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE)


def _children() -> Iterator[int]:
    """The children of this process, by the fourth field of /proc/PID/stat, see proc(5)."""
    parent = str(os.getpid())
    for folder in os.scandir("/proc"):
        if folder.name.isdigit():
            with suppress(OSError):
                stat = Path(folder.path, "stat").read_text(errors="replace")
                if stat.rpartition(")")[2].split()[1] == parent:
                    yield int(folder.name)
