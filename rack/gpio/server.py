"""The process that holds the relay lines: a server on a Unix socket."""

import json
import logging
import os
import select
import socket
import socketserver
import threading
from pathlib import Path

from rack.gpio import systemd
from rack.gpio.client import MAX_MESSAGE_BYTES, SOCKET, program_digest
from rack.gpio.holder import Chip, Holder, Message
from rack.gpio.line import Ioctl

_NAME_PREFIX = "GPIO"

_log = logging.getLogger(__name__)


class HolderServer(socketserver.ThreadingUnixStreamServer):
    """A server that only its user can use. Each request and each reply is one line of JSON.

    Args:
        path: Path of the socket, which replaces an existing one.
        holder: Handles the requests, one at a time.
    """

    daemon_threads = True

    def __init__(self, path: Path, holder: Holder) -> None:
        self._holder = holder
        self._lock = threading.Lock()
        path.unlink(missing_ok=True)
        previous = os.umask(0o177)
        try:
            super().__init__(str(path), _Connection)
        finally:
            os.umask(previous)

    def reply(self, line: bytes, connection: socket.socket) -> bytes:
        """Return the reply to a request, or nothing if its client has closed the connection.

        Such a client may have repeated the request, and sent a later one, on another connection.
        """
        try:
            request = json.loads(line)
        except ValueError:
            return _encode({"error": "invalid request: it is not JSON"})
        with self._lock:
            return b"" if _is_closed(connection) else _encode(self._holder.handle(request))


class _Connection(socketserver.StreamRequestHandler):
    server: HolderServer

    def handle(self) -> None:
        """Reply until the client closes the connection."""
        while line := self.rfile.readline(MAX_MESSAGE_BYTES):
            try:
                self.wfile.write(self.server.reply(line, self.connection))
            except (BrokenPipeError, ConnectionResetError):
                return


def _encode(reply: Message) -> bytes:
    return json.dumps(reply).encode() + b"\n"


def _is_closed(connection: socket.socket) -> bool:
    """Return whether the other end has closed a connection."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def serve(chip: Chip, path: Path = SOCKET, *, ioctl: Ioctl | None = None) -> None:
    """Hold lines until the process ends, which releases none of the stored lines."""
    stored = {
        int(name.removeprefix(_NAME_PREFIX)): descriptor
        for name, descriptor in systemd.stored_descriptors().items()
    }
    if stored:
        _log.info("took over %s", ", ".join(f"{_NAME_PREFIX}{line}" for line in sorted(stored)))
    options = {} if ioctl is None else {"ioctl": ioctl}
    holder = Holder(chip, stored, store=_store, program=program_digest(), **options)
    with HolderServer(path, holder) as server:
        systemd.notify("READY=1")
        server.serve_forever()


def _store(line: int, descriptor: int) -> None:
    systemd.store_descriptor(f"{_NAME_PREFIX}{line}", descriptor)
