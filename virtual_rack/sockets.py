"""Listening sockets that need nobody to serve them."""

import socket
from contextlib import suppress

_BACKLOG = 128


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket: the kernel completes connections, nothing has to accept.

    Raises:
        OSError: the port cannot be had.
    """
    server = socket.create_server((address, port), backlog=_BACKLOG)
    server.setblocking(False)
    return server


def drain(server: socket.socket) -> None:
    """Accept and close what has come, so that the backlog never fills."""
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
