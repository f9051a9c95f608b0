"""Run a command with a deadline and a maximum size of its output, without a shell."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from rack.errors import PiRackError

_CHUNK_BYTES = 65536
_REAP_SECONDS = 1.0


class OutputTooLargeError(PiRackError):
    """A command printed too much, and was killed."""


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """A command that ended by itself. `status` is negative after a signal."""

    status: int
    output: str
    errors: str


def run(command: Sequence[str], *, timeout: float, max_bytes: int) -> CompletedCommand:
    """Run a command and return its exit status and outputs.

    The command runs in its own process group. All processes of the group are killed when the
    command ends, when it exceeds a limit, and if this function is interrupted.

    Args:
        command: Program and arguments.
        timeout: Seconds until the command is killed.
        max_bytes: Maximum size of each of the two outputs.

    Raises:
        OSError: If the program cannot be started.
        TimeoutError: If the command does not end in time.
        OutputTooLargeError: If an output is too large.
    """
    deadline = time.monotonic() + timeout
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe is not None]
    try:
        output, errors = _read_until_exit(process.pid, pipes, deadline, max_bytes)
    finally:
        # The id of the group is still in use, because its leader is not yet reaped.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in pipes:
            pipe.close()
        # A process that waits for a device may not end even now.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_SECONDS)
    return CompletedCommand(process.returncode, output, errors)


def _read_until_exit(
    pid: int, pipes: Sequence[IO[bytes]], deadline: float, max_bytes: int
) -> list[str]:
    """Return the outputs of a process until it exits, although others may hold its pipes open."""
    contents = {pipe.fileno(): bytearray() for pipe in pipes}
    pidfd = os.pidfd_open(pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ)
            for pipe in contents:
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ)
            has_exited = False
            while not has_exited:
                ready = [key.fd for key, _ in selector.select(deadline - time.monotonic())]
                has_exited = pidfd in ready
                if not has_exited and time.monotonic() >= deadline:
                    raise TimeoutError("the command did not end in time")
                for pipe in contents if has_exited else (fd for fd in ready if fd != pidfd):
                    if not _read_available(pipe, contents[pipe], max_bytes):
                        with suppress(KeyError):  # already closed by the command
                            selector.unregister(pipe)
    finally:
        os.close(pidfd)
    return [content.decode("utf-8", "replace") for content in contents.values()]


def _read_available(pipe: int, content: bytearray, max_bytes: int) -> bool:
    """Read what is in a pipe. Return whether the pipe is still open."""
    while True:
        try:
            chunk = os.read(pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        content += chunk
        if len(content) > max_bytes:
            raise OutputTooLargeError(f"the command printed more than {max_bytes} bytes")
