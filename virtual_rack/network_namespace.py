"""Network namespaces: made by ip(8), entered by a thread."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tools.programs import Program

CLONE_NEWNET = 0x40000000
"""What to join, as in setns(2)."""

NAMESPACES_FOLDER = Path("/run/netns")
"""Where ip(8) keeps them, by name."""

_IP_TIMEOUT_SECONDS = 20.0


def setns(descriptor: int, kinds: int) -> None:
    """Move this thread into the namespaces that a descriptor is of, as the system call does.

    `os.setns` is Python 3.12's.

    Raises:
        OSError: the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, kinds) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


@contextmanager
def inside(namespace: Path) -> Iterator[None]:
    """Be in a network namespace until the block is left, with this thread alone.

    Sockets that are made there stay there, and so do threads that begin there.

    Raises:
        OSError: there is no such namespace.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as own, namespace.open("rb") as other:
        setns(other.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own.fileno(), CLONE_NEWNET)


class NamespaceThread:
    """A thread that goes into network namespaces in this process's place.

    Whoever enters the namespaces of a process gets those of its first thread, which therefore must
    stay where it is.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "visitor")

    def run_inside(self, namespace: Path, function: Callable[[], None]) -> None:
        """Do something inside of a network namespace; what that raises is raised here."""

        def visit() -> None:
            with inside(namespace):
                function()

        self._thread.submit(visit).result()


class IpTool:
    """ip(8): does commands for interfaces and namespaces, many with one process."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def batch(self, commands: Sequence[str]) -> None:
        """Do these commands, one after the other.

        Raises:
            OSError: one failed, and those after it were not done; the text is ip's own.
        """
        try:
            subprocess.run(
                [*self._program.command, "-batch", "-"],
                input="\n".join(commands) + "\n",
                env=self._program.environment,
                capture_output=True,
                text=True,
                timeout=_IP_TIMEOUT_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise OSError(0, f"ip: {error.stderr.strip()}", commands[0]) from error
        except subprocess.TimeoutExpired as error:
            raise OSError(
                0, f"ip gave no answer in {_IP_TIMEOUT_SECONDS:.0f} s", commands[0]
            ) from error
