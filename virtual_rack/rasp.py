"""A virtual rasp: power, boot, and the sockets that live and die with them."""

import socket
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from rack.layout import Slot
from virtual_rack.board import Board
from virtual_rack.faults import Fault
from virtual_rack.sensors import SensorFiles

PING_PORT = 9848
"""Loopback answers ICMP for every address, so a rasp's sign of life is that this TCP port opens."""

_SLOW_FACTOR = 3
_BACKLOG = 128


class Phase(StrEnum):
    """How far a rasp is on its way from power to service."""

    OFF = "off"
    BOOTING = "booting"
    UP = "up"


class Service(Protocol):
    """What a rasp serves while it is up: the exporter."""

    def start(self) -> None:
        """Bind and serve; OSError where that fails."""

    def close(self) -> None:
        """Stop serving and let the port go."""


class VirtualRasp:
    """The Raspberry Pi in a slot.

    Args:
        slot: where it sits.
        address: the loopback address that it answers on.
        board: its inside.
        files: its simulated /sys and /proc.
        exporter: makes its exporter, anew at each boot.
        exporter_port: where that one listens, and where a hung one would.
        boot_seconds: from power to service; `random` spreads it by ±30 % at each boot.
    """

    def __init__(
        self,
        slot: Slot,
        address: IPv4Address,
        board: Board,
        files: SensorFiles,
        exporter: Callable[[], Service],
        *,
        exporter_port: int,
        boot_seconds: float,
        random: Random,
    ) -> None:
        self.slot = slot
        self.address = address
        self.board = board
        self._files = files
        self._make_exporter = exporter
        self._exporter_port = exporter_port
        self._boot_seconds = boot_seconds
        self._random = random
        self._is_powered = False
        self._up_from = 0.0
        self._was_up = False
        self._exporter: Service | None = None
        self._silent: socket.socket | None = None  # stands where a hung exporter would
        self._ping: socket.socket | None = None

    @property
    def mac(self) -> str:
        """A MAC address with a Raspberry Pi's prefix, made from its place."""
        return f"b8:27:eb:23:{self.slot.stack:02x}:{self.slot.number:02x}"

    @property
    def faults(self) -> frozenset[Fault]:
        """The faults that are on it."""
        return frozenset(self.board.faults)

    @property
    def is_powered(self) -> bool:
        """Whether it has power."""
        return self._is_powered

    def power_on(self, now: float) -> None:
        """Give it power; it boots, and is up later."""
        self._is_powered = True
        self._begin_boot(now)

    def power_off(self) -> None:
        """Cut its power: all that it serves is gone when this returns."""
        self._is_powered = False
        self._close()

    def put_on(self, fault: Fault, now: float) -> None:
        """Make a fault appear."""
        if fault is Fault.REBOOT_ONCE:
            self._begin_boot(now)
            return
        self.board.faults.add(fault)

    def take_off(self, fault: Fault, now: float) -> None:
        """Make a fault disappear; what was dead boots."""
        if fault in self.board.faults:
            self.board.faults.remove(fault)
            if fault is Fault.DEAD:
                self._begin_boot(now)

    def _begin_boot(self, now: float) -> None:
        self._close()
        self._was_up = False
        seconds = self._boot_seconds * self._random.uniform(0.7, 1.3)
        self._up_from = now + seconds * (_SLOW_FACTOR if Fault.SLOW in self.board.faults else 1)

    def phase(self, now: float) -> Phase:
        """Return how far it is."""
        if not self._is_powered or Fault.DEAD in self.board.faults:
            return Phase.OFF
        return Phase.UP if now >= self._up_from else Phase.BOOTING

    def advance(self, now: float, seconds: float) -> None:
        """Let `seconds` pass, until `now`: boot, work, serve."""
        if self.phase(now) is not Phase.UP:
            self._close()
            return
        if not self._was_up:
            self._was_up = True
            self.board.boot(now)
        self.board.advance(seconds)
        self._files.write(self.board.readings())
        self._serve()

    def _serve(self) -> None:
        if self._ping is None:
            self._ping = _listen(self.address, PING_PORT)
        _drain(self._ping)
        if Fault.HANG in self.board.faults:
            self._close_exporter()
            if self._silent is None:
                self._silent = _listen(self.address, self._exporter_port)
        elif self._exporter is None:
            self._close_silent()
            exporter = self._make_exporter()
            exporter.start()
            self._exporter = exporter

    def _close(self) -> None:
        self._close_exporter()
        self._close_silent()
        if self._ping is not None:
            self._ping.close()
            self._ping = None

    def _close_exporter(self) -> None:
        if self._exporter is not None:
            self._exporter.close()
            self._exporter = None

    def _close_silent(self) -> None:
        if self._silent is not None:
            self._silent.close()
            self._silent = None


def _listen(address: IPv4Address, port: int) -> socket.socket:
    """Return a listening socket: the kernel completes connections, nothing has to accept."""
    server = socket.create_server((str(address), port), backlog=_BACKLOG)
    server.setblocking(False)
    return server


def _drain(server: socket.socket) -> None:
    """Accept and close what has come, so that the backlog never fills."""
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
