"""Simulated GPIO lines of a kernel, whose descriptors behave like those of line requests.

A descriptor is one end of a socket, over which ioctls travel with their structures. As with a real
kernel, copies of a descriptor keep the line, also in other processes. The line is released when the
last copy is closed.

`python -m tests.helpers.simulated_gpio kernel …` and `… holder …` run both as processes.
"""

import argparse
import errno
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rack.gpio import server
from rack.gpio.errors import GpioError
from rack.gpio.holder import CONSUMER

LINES = 28
_HEADER = struct.Struct("@QIi")  # number of the exchange, request of the ioctl, errno
_VALUES = struct.Struct("@QQ")  # struct gpio_v2_line_values: bits, mask
_CONFIG = struct.Struct("@QI20xIIQQ")  # struct gpio_v2_line_config with its first attribute
_CONFIG_BYTES = 272
_SET_CONFIG, _GET_VALUES, _SET_VALUES = 0xC110B40D, 0xC010B40E, 0xC010B40F  # of linux/gpio.h
_FLAG_OUTPUT = 1 << 3
_OUTPUT_VALUES = 2
_MAX_BYTES = 4096


@dataclass
class _LineState:
    is_output: bool = False
    is_high: bool = False
    is_requested: bool = False
    consumer: str = ""


class SimulatedKernel:
    """A kernel with a chip of 28 lines, which are inputs at first.

    Args:
        path: Socket of the chip.
        persists: Whether released outputs stay outputs.
        log: File to which each change of a line is appended.
    """

    def __init__(self, path: Path, *, persists: bool, log: Path | None = None) -> None:
        self.persists = persists
        self.changes: list[tuple[int, str]] = []
        self._lines = [_LineState() for _ in range(LINES)]
        self._log = log
        self._lock = threading.Lock()
        self._chip = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._chip.bind(str(path))
        self._chip.listen()

    def start(self) -> None:
        """Serve the chip in a thread."""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Serve the chip until `close`."""
        while True:
            try:
                connection, _ = self._chip.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve_chip, args=[connection], daemon=True).start()

    def close(self) -> None:
        self._chip.shutdown(socket.SHUT_RDWR)
        self._chip.close()

    def state(self, line: int) -> str:
        """Return `input`, `high` or `low`."""
        state = self._lines[line]
        return "input" if not state.is_output else "high" if state.is_high else "low"

    def is_requested(self, line: int) -> bool:
        """Return whether a process or systemd has a descriptor of the line."""
        return self._lines[line].is_requested

    def drive(self, line: int, *, high: bool) -> None:
        """Drive a line, as a program does that has ended."""
        self._set(line, _LineState(is_output=True, is_high=high))

    def occupy(self, line: int) -> None:
        """Let another program request a line."""
        self._lines[line].is_requested = True
        self._lines[line].consumer = "gpioset"

    def free(self, line: int) -> None:
        """End the other program that has requested a line."""
        self._lines[line] = _LineState()

    def _set(self, line: int, state: _LineState) -> None:
        previous = self.state(line)
        self._lines[line] = state
        if self.state(line) == previous:
            return
        self.changes.append((line, self.state(line)))
        if self._log:
            with self._log.open("a", encoding="ascii") as log:
                log.write(f"{time.monotonic():.6f} {line} {self.state(line)}\n")

    def _serve_chip(self, connection: socket.socket) -> None:
        with connection:
            while message := connection.recv(_MAX_BYTES):
                request = json.loads(message)
                line = request["line"]
                with self._lock:
                    if request["command"] == "info":
                        state = self._lines[line]
                        reply = {"is_output": state.is_output, "consumer": state.consumer}
                        connection.send(json.dumps(reply).encode())
                    elif self._lines[line].is_requested:
                        connection.send(json.dumps({"errno": errno.EBUSY}).encode())
                    else:
                        self._lines[line].is_requested = True
                        self._lines[line].consumer = CONSUMER
                        self._send_line(connection, line)

    def _send_line(self, connection: socket.socket, line: int) -> None:
        own, descriptor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=self._serve_line, args=[own, line], daemon=True).start()
        with descriptor:
            socket.send_fds(connection, [b"{}"], [descriptor.fileno()])

    def _serve_line(self, descriptor: socket.socket, line: int) -> None:
        with descriptor:
            while message := _receive(descriptor):
                exchange, request, _ = _HEADER.unpack_from(message)
                content = bytearray(message[_HEADER.size :])
                with self._lock:
                    number = self._ioctl(line, request, content)
                try:
                    descriptor.send(_HEADER.pack(exchange, request, number) + content)
                except OSError:  # the process has ended
                    break
        with self._lock:
            state = self._lines[line]
            is_output = state.is_output and self.persists
            self._set(line, _LineState(is_output=is_output, is_high=state.is_high))

    def _ioctl(self, line: int, request: int, content: bytearray) -> int:
        """Perform an ioctl on a line. Return its errno, or 0."""
        state = self._lines[line]
        if request == _GET_VALUES:
            bits, mask = _VALUES.unpack(content)
            content[:] = _VALUES.pack(state.is_high & mask, mask)
            return 0
        if request == _SET_VALUES:
            if not state.is_output:
                return errno.EPERM
            bits, mask = _VALUES.unpack(content)
            is_high = bits & mask
        elif request == _SET_CONFIG and len(content) == _CONFIG_BYTES:
            flags, attributes, attribute, _, values, mask = _CONFIG.unpack_from(content)
            if (flags, attributes, attribute) != (_FLAG_OUTPUT, 1, _OUTPUT_VALUES):
                return errno.EINVAL
            is_high = values & mask
        else:
            return errno.EINVAL
        driven = _LineState(is_output=True, is_high=bool(is_high), is_requested=True)
        self._set(line, replace(driven, consumer=state.consumer))
        return 0


class SimulatedChip:
    """The chip of a simulated kernel, as `HeaderChip`."""

    def __init__(self, path: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.connect(str(path))

    def request(self, line: int) -> int:
        self._connection.send(json.dumps({"command": "request", "line": line}).encode())
        message, descriptors, *_ = socket.recv_fds(self._connection, _MAX_BYTES, 1)
        if not descriptors:
            reason = os.strerror(json.loads(message)["errno"])
            raise GpioError(f"GPIO{line} cannot be used: {reason}")
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]

    def close(self) -> None:
        self._connection.close()

    def is_output(self, line: int) -> bool:
        return bool(self._info(line)["is_output"])

    def consumer(self, line: int) -> str:
        return str(self._info(line)["consumer"])

    def _info(self, line: int) -> dict[str, Any]:
        self._connection.send(json.dumps({"command": "info", "line": line}).encode())
        info: dict[str, Any] = json.loads(self._connection.recv(_MAX_BYTES))
        return info


def simulated_ioctl(descriptor: int, request: int, content: bytearray) -> None:
    """Perform an ioctl on a simulated line, as `fcntl.ioctl`."""
    exchange = int.from_bytes(os.urandom(7), "big")
    with socket.socket(fileno=os.dup(descriptor)) as line:
        line.send(_HEADER.pack(exchange, request, 0) + content)
        replied = number = 0
        while replied != exchange:  # skips a reply to a process that was killed before it read it
            if not (message := line.recv(_MAX_BYTES)):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            replied, _, number = _HEADER.unpack_from(message)
    if number:
        raise OSError(number, os.strerror(number))
    content[:] = message[_HEADER.size :]


def _receive(descriptor: socket.socket) -> bytes:
    try:
        return descriptor.recv(_MAX_BYTES)
    except OSError:  # the process has ended
        return b""


@contextmanager
def running_kernel(folder: Path, *, persists: bool) -> Iterator[SimulatedKernel]:
    """Run a kernel in this process. Its chip is the socket `chip` in the folder."""
    kernel = SimulatedKernel(folder / "chip", persists=persists)
    kernel.start()
    try:
        yield kernel
    finally:
        kernel.close()


def main() -> None:
    """Run a kernel, or a holder of its lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=["kernel", "holder"])
    parser.add_argument("chip", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--persists", action="store_true")
    options = parser.parse_args()
    if options.program == "kernel":
        SimulatedKernel(options.chip, persists=options.persists, log=options.log).serve()
    else:
        server.serve(SimulatedChip(options.chip), ioctl=simulated_ioctl)


if __name__ == "__main__":
    main()
