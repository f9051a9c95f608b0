"""Network namespaces, created by ip(8) and entered by a thread."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tools.programs import Program

CLONE_NEWNET = 0x40000000
"""Namespace type for setns(2)."""

NAMESPACES_FOLDER = Path("/run/netns")
"""Folder in which ip(8) creates namespaces."""

_IP_TIMEOUT_SECONDS = 20.0


def setns(descriptor: int, kinds: int) -> None:
    """Move this thread into the namespaces of the process or file with this descriptor.

    This function replaces `os.setns`, which requires Python 3.12.

    Raises:
        OSError: If the kernel rejects the system call.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, kinds) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


@contextmanager
def inside(namespace: Path) -> Iterator[None]:
    """Move only this thread into a network namespace in the block.

    Sockets and threads that are created in the block remain in the namespace.

    Raises:
        OSError: If the namespace does not exist.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as own, namespace.open("rb") as other:
        setns(other.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own.fileno(), CLONE_NEWNET)


class NamespaceThread:
    """A dedicated thread that runs functions in network namespaces.

    The main thread must stay in its namespaces, because `virtual_rack enter` enters them.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "namespaces")

    def run_inside(self, namespace: Path, function: Callable[[], None]) -> None:
        """Run a function in a network namespace. Propagate the exceptions of the function."""

        def run() -> None:
            with inside(namespace):
                function()

        self._thread.submit(run).result()


class IpTool:
    """The program ip(8), which can run several commands in one process."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def batch(self, commands: Sequence[str]) -> None:
        """Run commands in the given order.

        Raises:
            OSError: If a command fails, with ip's message. The remaining commands are not run.
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
                0, f"ip did not finish within {_IP_TIMEOUT_SECONDS:.0f} s", commands[0]
            ) from error
