"""Listening sockets without a server, and paths of Unix sockets."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BACKLOG = 1024  # connections while the rack is too busy to accept them


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket. The kernel completes connections to the socket.

    Raises:
        OSError: If the port cannot be bound.
    """
    server = socket.create_server((address, port), backlog=_BACKLOG)
    server.setblocking(False)
    return server


def drain(server: socket.socket) -> None:
    """Accept and close all connections, so that the backlog does not fill."""
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()


@contextmanager
def unix_socket_path(path: Path) -> Iterator[str]:
    """Yield a short path of a Unix socket, because the kernel limits such paths to 107 bytes.

    The path goes through a descriptor of the folder, which is open in the block.

    Raises:
        OSError: If the folder does not exist.
    """
    folder = os.open(path.parent, os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
