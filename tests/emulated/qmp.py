"""A client of the QEMU Machine Protocol."""

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.helpers.waiting import TIMEOUT_SECONDS


class QmpClient:
    """A connection to a running QEMU.

    Args:
        path: Unix socket of QEMU.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_SECONDS)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._resets: list[float] = []
        self._read()  # the greeting
        self.execute("qmp_capabilities")

    def close(self) -> None:
        """Close the connection, even if QEMU has ended."""
        with suppress(OSError):
            self._file.close()
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command and return its result. Fail the test if QEMU reports an error."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            message = self._read()
            assert "error" not in message, message
            if "return" in message:
                return message["return"]

    def resets(self) -> tuple[float, ...]:
        """Return the times at which the machine was reset, in seconds since the epoch."""
        self.execute("query-status")  # QEMU sends the events first
        return tuple(self._resets)

    def _read(self) -> Any:
        message = json.loads(self._file.readline())
        if message.get("event") == "RESET":
            time = message["timestamp"]
            self._resets.append(time["seconds"] + time["microseconds"] / 1e6)
        return message
