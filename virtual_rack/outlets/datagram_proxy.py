"""UDP proxy, which delays or drops the requests of clients, as a slow or restarting device does."""

import heapq
import selectors
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any

_MAX_DATAGRAM = 65535
_MAX_CLIENTS = 256
_SERVER = "127.0.0.1"


class DatagramProxy:
    """A UDP port that forwards requests to a server on this machine, and replies to the clients.

    Args:
        host: IP address of the port.
        port: UDP port. 0 chooses a free one.
        delay: Function that returns the delay of a request in seconds, or None to drop it.

    Raises:
        OSError: If the address or the port cannot be used.
    """

    def __init__(self, host: str, port: int, delay: Callable[[], float | None]) -> None:
        self._delay = delay
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._listener.bind((host, port))
        except OSError:
            self._listener.close()
            raise
        self.server_port = 0
        self._waiting: list[tuple[float, int, Any, bytes]] = []
        self._numbers = count()
        self._upstream: OrderedDict[Any, socket.socket] = OrderedDict()
        self._selector = selectors.DefaultSelector()
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="datagrams", daemon=True)

    @property
    def port(self) -> int:
        """The UDP port."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Forward datagrams to `server_port`, which may change at any time."""
        self._selector.register(self._listener, selectors.EVENT_READ, self._receive_request)
        self._selector.register(self._stop_reader, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Stop, and close all sockets."""
        if self._thread.is_alive():
            self._stop_writer.send(b"x")
            self._thread.join()
        for each in (
            self._listener,
            self._stop_reader,
            self._stop_writer,
            *self._upstream.values(),
        ):
            each.close()
        self._selector.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._seconds_to_next()):
                if key.fileobj is self._stop_reader:
                    return
                key.data()
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, client, datagram = heapq.heappop(self._waiting)
                self._forward(client, datagram)

    def _seconds_to_next(self) -> float | None:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def _receive_request(self) -> None:
        datagram, client = self._listener.recvfrom(_MAX_DATAGRAM)
        delay = self._delay()
        if delay is not None:
            due = time.monotonic() + delay
            heapq.heappush(self._waiting, (due, next(self._numbers), client, datagram))

    def _forward(self, client: Any, datagram: bytes) -> None:
        if self._delay() is None:
            return
        if client not in self._upstream:
            upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._upstream[client] = upstream
            self._selector.register(
                upstream, selectors.EVENT_READ, lambda: self._receive_reply(client, upstream)
            )
            if len(self._upstream) > _MAX_CLIENTS:
                _, oldest = self._upstream.popitem(last=False)
                self._selector.unregister(oldest)
                oldest.close()
        self._upstream.move_to_end(client)
        self._upstream[client].sendto(datagram, (_SERVER, self.server_port))

    def _receive_reply(self, client: Any, upstream: socket.socket) -> None:
        datagram = upstream.recv(_MAX_DATAGRAM)
        if self._delay() is not None:
            self._listener.sendto(datagram, client)
