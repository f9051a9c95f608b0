"""Program that switches virtual outlets, as the power driver `command` runs it."""

import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from virtual_rack.faults import Fault
from virtual_rack.outlets.device import OutletRefusedError, OutletServer
from virtual_rack.outlets.local_server import LocalServer

_PROGRAM = Path(__file__).with_name("socket_command.py")
_SOCKET = "command.sock"
_USAGE = "usage: outlet on|off|read ADDRESS"
_POLL_SECONDS = 0.1
_CHECK_OF_CONNECTION = " "  # JSON may start with spaces. The write fails if the program has ended


class CommandProgram(OutletServer):
    """An executable file: `outlet on ADDRESS`, `outlet off ADDRESS` and `outlet read ADDRESS`.

    `read` prints `on` or `off`, and in a second line the watts, such as `3.4 W`. While the device
    is away, the program does not end. A program that is killed meanwhile switches nothing.

    Args:
        addresses: Addresses of the outlets.
        folder: Folder of the program, which is created.
        options: See `OutletServer`. Host and port are not used.
    """

    def __init__(self, addresses: Sequence[str], folder: Path, **options: Any) -> None:
        super().__init__(addresses, **options)
        self._folder = folder.resolve()
        self._server = LocalServer(self._folder / _SOCKET, self._replies)
        self._is_closed = False

    @property
    def path(self) -> Path:
        """The executable file."""
        return self._folder / "outlet"

    def start(self) -> None:
        """Write the program and start its server; see `OutletServer`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # The path of a Unix socket is limited to 107 bytes, so the program uses a relative one.
        command = shlex.join([sys.executable, "-I", "-S", str(_PROGRAM), _SOCKET])
        self.path.write_text(
            f'#!/bin/sh\ncd {shlex.quote(str(self._folder))} && exec {command} "$@"\n'
        )
        self.path.chmod(0o755)
        self._is_closed = False
        self._server.start()

    def close(self) -> None:
        """Stop the server; see `OutletServer`."""
        super().close()
        self._is_closed = True
        self._server.close()

    def _apply_faults(self, changed: Fault) -> None:
        """Do nothing, because each reply depends on the faults at its time."""

    def _replies(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            delay = self.delay
            time.sleep(delay)
            while self.is_away and not self._is_closed:
                time.sleep(_POLL_SECONDS)
            if not delay:  # a slow device has received the command already
                yield _CHECK_OF_CONNECTION
            output, error = self._run(json.loads(line))
            reply = {"output": output, "error": error, "status": 1 if error else 0}
            yield json.dumps(reply) + "\n"

    def _run(self, arguments: list[str]) -> tuple[str, str]:
        """Return the output and the error of the program."""
        match arguments:
            case ["on" | "off" | "read", address] if address not in self.outlets.addresses:
                return "", f"no outlet {address}\n"
            case ["on" | "off" | "read", _] if self.has_other_credentials:
                return "", "permission denied\n"
            case ["read", address]:
                power = "on" if self.outlets.is_on(address) else "off"
                return f"{power}\n{self.outlets.watts(address):.1f} W\n", ""
            case ["on" | "off" as power, address]:
                try:
                    self.outlets.switch(address, power=power == "on")
                except OutletRefusedError:
                    return "", f"outlet {address} cannot be switched\n"
                return "", ""
        return "", f"{_USAGE}\n"
