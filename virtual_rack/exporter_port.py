"""Exporter port of a rasp, where the exporter works, hangs or is hostile."""

import socket
import threading
from collections.abc import Callable, Collection
from typing import Protocol

from virtual_rack.faults import Fault
from virtual_rack.hostile_exporter import HostileExporter
from virtual_rack.sockets import listen


class Startable(Protocol):
    """A server that can be started and closed."""

    def start(self) -> None:
        """Bind the port and serve requests. Raise OSError on failure."""

    def follow_addresses(self) -> None:
        """Serve at the current addresses of the rasp. Raise OSError on failure."""

    def close(self) -> None:
        """Stop serving requests and release the port."""


class ExporterPort:
    """A port with an exporter, or with a server that imitates a faulty one. Can also be closed.

    Args:
        address: Address of the port.
        port: Port number.
        make_exporter: Function that creates the exporter.
    """

    def __init__(self, address: str, port: int, make_exporter: Callable[[], Startable]) -> None:
        self._make_server: dict[Fault | None, Callable[[], Startable]] = {
            None: make_exporter,
            Fault.HANG: lambda: _HangingServer(address, port),
            Fault.HOSTILE: lambda: HostileExporter(address, port),
        }
        self._server: Startable | None = None
        self._server_fault: Fault | None = None
        self._restart_requested = threading.Event()

    def restart(self) -> None:
        """Request a restart of the exporter by the next call of `serve`. Thread-safe."""
        self._restart_requested.set()

    def serve(self, faults: Collection[Fault]) -> None:
        """Run the exporter, or the server that one of the faults requires.

        Raises:
            OSError: If the port cannot be bound.
        """
        fault = _server_fault(faults)
        if self._restart_requested.is_set() or fault is not self._server_fault:
            self._restart_requested.clear()
            self.close()
        if self._server is None:
            server = self._make_server[fault]()
            server.start()
            self._server, self._server_fault = server, fault
        self._server.follow_addresses()

    def close(self) -> None:
        """Release the port."""
        if self._server is not None:
            self._server.close()
            self._server = None


def _server_fault(faults: Collection[Fault]) -> Fault | None:
    if not {Fault.HANG, Fault.WEDGED}.isdisjoint(faults):
        return Fault.HANG
    return Fault.HOSTILE if Fault.HOSTILE in faults else None


class _HangingServer:
    """A socket that never responds."""

    def __init__(self, address: str, port: int) -> None:
        self._listen = address, port
        self._socket: socket.socket | None = None

    def start(self) -> None:
        self._socket = listen(*self._listen)

    def follow_addresses(self) -> None:
        pass  # its address is fixed, or includes all addresses

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
