"""Client of the process that holds the relay lines."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rack.clock import seconds_since_boot
from rack.gpio.errors import GpioError

SOCKET = Path("/run/pirack-relays/socket")
MAX_MESSAGE_BYTES = 4096

_REPLY_SECONDS = 15.0
_RESTART_SECONDS = 20.0
_DEVICE_SECONDS = 10.0
_BOOT_SECONDS = 300.0  # udev is slow on a busy master
_POLL_SECONDS = 0.1


def program_digest(folder: Path = Path(__file__).parent) -> str:
    """Return a digest of the source code of a holder in the folder `rack/gpio`."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


class HolderClient:
    """A client. Thread-safe.

    While the holder restarts, requests wait, and during a boot also until udev has released the
    GPIO chip. They are repeated then, which is harmless, because each of them requests a state.

    Args:
        path: Socket of the holder. If its folder is missing, no holder is installed.
        clock: Returns seconds since the boot of the master.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        path: Path = SOCKET,
        *,
        clock: Callable[[], float] = seconds_since_boot,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def request(self, command: str, **values: Any) -> dict[str, Any]:
        """Send a request and return the reply. See `Holder.handle`.

        Raises:
            GpioError: If the holder does not respond in time, or reports a problem.
        """
        message = json.dumps({"command": command, **values}).encode() + b"\n"
        started_at = self._clock()
        deadline = max(started_at + _DEVICE_SECONDS, _BOOT_SECONDS)
        with self._lock:
            reply = self._exchange_until(started_at + _RESTART_SECONDS, message)
            while reply.get("is_temporary") and self._clock() < deadline:
                self._sleep(_POLL_SECONDS)
                reply = self._exchange_until(self._clock() + _RESTART_SECONDS, message)
        if "error" in reply:
            raise GpioError(reply["error"])
        return reply

    def close(self) -> None:
        """Close the connection. The lines keep their states."""
        with self._lock:
            self._disconnect()

    def _exchange_until(self, deadline: float, message: bytes) -> dict[str, Any]:
        while True:
            try:
                return self._exchange(message)
            except PermissionError as error:
                self._disconnect()
                raise GpioError(
                    f"{self._path}: permission denied: run this program as root or as the user"
                    " of pirack-relays"
                ) from error
            except (OSError, ValueError) as error:
                self._disconnect()
                if self._clock() >= deadline or not self._path.parent.exists():
                    reason = getattr(error, "strerror", None) or error
                    raise GpioError(
                        f"{self._path}: the process that holds the relays does not respond"
                        f" ({reason}): run `sudo systemctl start pirack-relays`"
                    ) from error
            self._sleep(_POLL_SECONDS)

    def _exchange(self, message: bytes) -> dict[str, Any]:
        if self._connection is None:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._connection.settimeout(_REPLY_SECONDS)
            self._connection.connect(str(self._path))
        self._connection.sendall(message)
        received = b""
        while not received.endswith(b"\n"):
            part = self._connection.recv(MAX_MESSAGE_BYTES)
            if not part or len(received) > MAX_MESSAGE_BYTES:
                raise ConnectionResetError("connection closed")
            received += part
        reply: dict[str, Any] = json.loads(received)
        return reply

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
