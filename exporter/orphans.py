"""Terminate processes that left their command's process group, such as daemons.

A subreaper becomes the parent of such processes and can therefore find them. Use this module only
in a process that has no children except commands.
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
_PAUSE = 0.005  # seconds; killed processes have usually exited by then


def become_subreaper() -> None:
    """Make this process the parent of its orphaned descendants. Raise OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def kill_orphans(keep: Collection[int]) -> None:
    """Kill and reap all children of this process except `keep`, and their descendants.

    The children of a killed process become children of this process. Several passes kill them all.
    """
    for _ in range(_MAX_PASSES):
        orphans = [pid for pid in _children() if pid not in keep]
        if not orphans:
            return
        for pid in orphans:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE)


def _children() -> Iterator[int]:
    """Yield the child processes. The fourth field of /proc/PID/stat is the parent (proc(5))."""
    parent = str(os.getpid())
    for folder in os.scandir("/proc"):
        if folder.name.isdigit():
            with suppress(OSError):
                stat = Path(folder.path, "stat").read_text(errors="replace")
                if stat.rpartition(")")[2].split()[1] == parent:
                    yield int(folder.name)
