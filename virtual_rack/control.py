"""How a running virtual rack is spoken to: one JSON line each way over a Unix socket.

The socket lies in the rack's state folder, which its owner alone may enter. A path of a Unix socket
is at most 107 bytes long and a checkout may lie deeper, so both sides reach it through the folder's
descriptor.
"""

import json
import os
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket
from struct import Struct
from typing import Any

from rack.errors import RackError
from rack.targets import resolve_slots
from virtual_rack.faults import Fault
from virtual_rack.rack import VirtualRack
from virtual_rack.relays import PinState

_SOCKET_NAME = "control.sock"
_TIMEOUT_SECONDS = 10.0
_CREDENTIALS = Struct("3i")  # struct ucred, see unix(7)

Message = Mapping[str, Any]


class RackNotRunningError(Exception):
    """No virtual rack runs with this state folder."""


def handle(rack: VirtualRack, request: Message) -> Message:
    """Do what a request asks for; return the reply, `{"error": …}` where it cannot be done."""
    try:
        match request:
            case {"do": "fault", "places": [*places], "fault": str(fault)}:
                slots = resolve_slots(rack.rack, places)
                rack.inject_fault(slots, Fault(fault))
            case {"do": "heal", "places": [*places], "fault": None | str() as fault}:
                slots = resolve_slots(rack.rack, places)
                rack.clear_fault(slots, Fault(fault) if fault else None)
            case {"do": "status"}:
                return {
                    "rasps": {
                        name: {"phase": phase, "faults": sorted(faults)}
                        for name, (phase, faults) in rack.status().items()
                    },
                    "stacks": {
                        name: {"power": "on" if has_power else "off", "relay_moves": moves}
                        for name, (has_power, moves) in rack.stack_power().items()
                    },
                }
            case {"do": "pin", "pin": int(number)}:
                return _pin(rack, number)
            case {"do": "drive", "pin": int(number), "output": bool(output), "high": bool(high)}:
                rack.drive(number, PinState(output, high))
                return _pin(rack, number)
            case _:
                return {"error": "no such request"}
    except (RackError, ValueError) as error:
        return {"error": str(error)}
    return {"rasps": [slot.name for slot in slots]}


def _pin(rack: VirtualRack, number: int) -> Message:
    state = rack.pin(number)
    return {"output": state.is_output, "high": state.is_high}


@contextmanager
def serving(rack: VirtualRack, state: Path) -> Iterator[None]:
    """Answer requests for a rack until the block is left."""

    class Handler(socketserver.StreamRequestHandler):
        timeout = _TIMEOUT_SECONDS

        def handle(self) -> None:
            request = json.loads(self.rfile.readline())
            self.wfile.write(json.dumps(handle(rack, request)).encode() + b"\n")

    class Server(socketserver.ThreadingUnixStreamServer):
        # Where the queue is full, the kernel turns away who is in a hurry.
        request_queue_size = 128

    state.chmod(0o700)
    (state / _SOCKET_NAME).unlink(missing_ok=True)
    with _short_path(state) as path, Server(path, Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="control")
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            (state / _SOCKET_NAME).unlink(missing_ok=True)


def send(state: Path, request: Message) -> Message:
    """Send a request to the virtual rack with this state folder and return its reply.

    Raises:
        NoRackThere: none runs with this folder.
    """
    with _connect(state) as connection:
        return _exchange(connection, request)


def server_process_id(state: Path) -> int:
    """Return the process of the virtual rack with this state folder, as the kernel tells it.

    Raises:
        NoRackThere: none runs with this folder.
    """
    with _connect(state) as connection:
        _exchange(connection, {"do": "status"})
        pid, _, _ = _CREDENTIALS.unpack(
            connection.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size)
        )
        return int(pid)


def _exchange(connection: socket, request: Message) -> Message:
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb") as lines:
        reply: Message = json.loads(lines.readline())
        return reply


@contextmanager
def _connect(state: Path) -> Iterator[socket]:
    try:
        with _short_path(state) as path, socket(AF_UNIX, SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(path)
            yield connection
    except OSError as error:
        raise RackNotRunningError(
            f"no virtual rack runs in {state}: start one with `make demo`, or name its --state"
        ) from error


@contextmanager
def _short_path(state: Path) -> Iterator[str]:
    folder = os.open(state, os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{_SOCKET_NAME}"
    finally:
        os.close(folder)
