"""Unix sockets in a folder, for the programs of a virtual device."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from virtual_rack.sockets import unix_socket_path


class LocalServer:
    """A server at a Unix socket, with a thread for each connection.

    Args:
        socket: Path of the socket. Its folder must exist.
        replies: Function that yields the replies to the lines of a client.
    """

    def __init__(self, socket: Path, replies: Callable[[Iterator[str]], Iterator[str]]) -> None:
        self._socket = socket
        self._replies = replies
        self._server: socketserver.ThreadingUnixStreamServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the server.

        Raises:
            OSError: If the socket cannot be created.
        """
        replies = self._replies

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # The client may disconnect at any time, also within a line.
                complete = (line for line in self.rfile if line.endswith(b"\n"))
                lines = (line.decode().rstrip("\n") for line in complete)
                with suppress(ConnectionError):
                    for reply in replies(lines):
                        self.wfile.write(reply.encode())

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            request_queue_size = 128

        self._socket.unlink(missing_ok=True)
        with unix_socket_path(self._socket) as path:
            self._server = Server(path, Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="outlets", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._socket.unlink(missing_ok=True)
            self._server = self._thread = None
