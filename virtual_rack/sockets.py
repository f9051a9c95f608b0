"""Listening sockets without a server."""

import socket
from contextlib import suppress

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
