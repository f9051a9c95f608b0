"""Control socket of a virtual rack. Each request and each reply is one line of JSON.

The socket is in the state folder, which only the owner of the folder may enter.
"""

import json
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket
from struct import Struct
from typing import Any

from rack.errors import PiRackError
from rack.targets import resolve_slots
from virtual_rack.faults import Fault
from virtual_rack.rack import VirtualRack
from virtual_rack.relays import PinState
from virtual_rack.sockets import unix_socket_path

_SOCKET_NAME = "control.sock"
_TIMEOUT_SECONDS = 60.0  # on a busy machine, a rack of 48 rasps starts for tens of seconds
_RELAY_SECONDS = 0.01  # from the level of a pin to the contact, as in data sheets of relays
_CREDENTIALS = Struct("3i")  # struct ucred, see unix(7)

Message = Mapping[str, Any]


class RackUnavailableError(PiRackError):
    """No virtual rack runs in this state folder, or the virtual rack does not reply."""


def handle(rack: VirtualRack, request: Message) -> Message:
    """Process a request and return the reply, which is `{"error": …}` on failure."""
    try:
        return _process(rack, request)
    except (PiRackError, ValueError) as error:
        return {"error": str(error)}


def _process(rack: VirtualRack, request: Message) -> Message:
    match request:
        case {"command": "fault", "targets": [*targets], "fault": str(fault)}:
            return _inject_fault(rack, targets, Fault(fault))
        case {"command": "heal", "targets": [*targets], "fault": None | str() as fault}:
            return _clear_fault(rack, targets, Fault(fault) if fault else None)
        case {"command": "status"}:
            return _status(rack)
        case {"command": "get_pin", "pin": int(number)}:
            return _pin(rack, number)
        case {
            "command": "set_pin",
            "pin": int(number),
            "output": bool(output),
            "high": bool(high),
        }:
            rack.drive(number, PinState(output, high))
            return _pin(rack, number)
        case _:
            return {"error": "unknown request"}


def _status(rack: VirtualRack) -> Message:
    return {
        "rasps": {
            name: {"phase": phase, "faults": sorted(faults)}
            for name, (phase, faults) in rack.status().items()
        },
        "stacks": {
            name: {"power": "on" if has_power else "off", "relay_moves": moves}
            for name, (has_power, moves) in rack.stack_power().items()
        },
        "outlets": {
            name: {"power": "on" if has_power else "off", "moves": moves}
            for name, (has_power, moves) in rack.outlet_power().items()
        },
    }


def _inject_fault(rack: VirtualRack, targets: Iterable[str], fault: Fault) -> Message:
    """Return the rasps that have the fault, which is also in others that share an outlet."""
    slots = resolve_slots(rack.rack, targets)
    previous = _rasps_by_fault(rack).get(fault, [])
    rack.inject_fault(slots, fault)
    affected = {*_rasps_by_fault(rack).get(fault, ())}.difference(previous)
    affected.update(slot.name for slot in slots)
    return {"rasps": [slot.name for slot in rack.rack.slots if slot.name in affected]}


def _clear_fault(rack: VirtualRack, targets: Iterable[str], fault: Fault | None) -> Message:
    """Return the selected rasps, and the rasps of each fault that was cleared."""
    slots = resolve_slots(rack.rack, targets)
    previous = _rasps_by_fault(rack)
    rack.clear_fault(slots, fault)
    remaining = _rasps_by_fault(rack)
    cleared = {
        cleared_fault: [name for name in names if name not in remaining.get(cleared_fault, ())]
        for cleared_fault, names in previous.items()
    }
    return {
        "rasps": [slot.name for slot in slots],
        "cleared": {cleared_fault: names for cleared_fault, names in cleared.items() if names},
    }


def _rasps_by_fault(rack: VirtualRack) -> dict[Fault, list[str]]:
    """Return the names of the rasps that have each fault."""
    rasps: dict[Fault, list[str]] = {}
    for name, (_, faults) in rack.status().items():
        for fault in sorted(faults):
            rasps.setdefault(fault, []).append(name)
    return rasps


def _pin(rack: VirtualRack, number: int) -> Message:
    state = rack.pin(number)
    return {"output": state.is_output, "high": state.is_high}


@contextmanager
def serving(rack: VirtualRack, state: Path, *, defers_power: bool = False) -> Iterator[None]:
    """Serve requests on the control socket in the block.

    Args:
        rack: The rack.
        state: Folder of the socket.
        defers_power: See `VirtualRack.defers_power`. Otherwise, rasps start or stop before the
            reply to a request, so that a busy process cannot delay them after it.
    """

    class Handler(socketserver.StreamRequestHandler):
        timeout = _TIMEOUT_SECONDS

        def handle(self) -> None:
            # The client may disconnect before the request is complete or the reply is sent.
            with suppress(ConnectionError, TimeoutError):
                line = self.rfile.readline()
                if line.endswith(b"\n"):
                    self.wfile.write(json.dumps(_reply(line)).encode() + b"\n")
                    if defers_power:
                        time.sleep(_RELAY_SECONDS)
                        rack.update_power()

    def _reply(line: bytes) -> Message:
        try:
            request = json.loads(line)
        except ValueError:
            return {"error": "the request is not valid JSON"}
        return handle(rack, request)

    class Server(socketserver.ThreadingUnixStreamServer):
        # The kernel rejects non-blocking connections while the queue is full.
        request_queue_size = 128

    rack.defers_power = defers_power
    state.chmod(0o700)
    (state / _SOCKET_NAME).unlink(missing_ok=True)
    with unix_socket_path(state / _SOCKET_NAME) as path, Server(path, Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="control")
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            rack.defers_power = False
            (state / _SOCKET_NAME).unlink(missing_ok=True)


def send(state: Path, request: Message) -> Message:
    """Send a request to the virtual rack with this state folder and return the reply.

    Raises:
        RackUnavailableError: If no virtual rack runs in this state folder, or it does not reply.
    """
    with _connect(state) as connection:
        return _exchange(connection, request)


def server_process_id(state: Path) -> int:
    """Return the process id of the virtual rack with this state folder, which need not reply.

    Raises:
        RackUnavailableError: If no virtual rack runs in this state folder.
    """
    with _connect(state) as connection:
        pid, _, _ = _CREDENTIALS.unpack(
            connection.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size)
        )
        return int(pid)


def _exchange(connection: socket, request: Message) -> Message:
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb") as stream:
        line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("the virtual rack closed the connection")
    reply: Message = json.loads(line)
    return reply


@contextmanager
def _connect(state: Path) -> Iterator[socket]:
    try:
        with (
            unix_socket_path(state / _SOCKET_NAME) as path,
            socket(AF_UNIX, SOCK_STREAM) as connection,
        ):
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(path)
            yield connection
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise RackUnavailableError(
            f"no virtual rack is running in {state}: start one with `make demo`, or set --state"
        ) from error
    except OSError as error:
        raise RackUnavailableError(
            f"cannot reach the virtual rack in {state} ({error.strerror or error}): try again"
        ) from error
