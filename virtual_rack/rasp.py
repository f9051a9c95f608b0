"""Virtual rasp with power, boot phases and network."""

import time
from collections.abc import Callable, Collection
from enum import StrEnum
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from rack.layout import Slot
from virtual_rack.board import Board, SystemRequest
from virtual_rack.faults import Fault
from virtual_rack.sensors import SensorFiles
from virtual_rack.thermal import HALTED_WATTS

_SLOW_FACTOR = 3
_FILES_SECONDS = 2.0  # writing them takes most of the processor time of a rasp
_FAULTS_WITHOUT_SHUTDOWN = {Fault.WEDGED, Fault.HUNG_SHUTDOWN}


class Phase(StrEnum):
    """Phase of a rasp. A halted rasp still draws power."""

    OFF = "off"
    BOOTING = "booting"
    UP = "up"
    HALTED = "halted"


class NetworkHost(Protocol):
    """The network interface and the servers of a rasp."""

    def serve(self, faults: Collection[Fault]) -> None:
        """Serve requests with these faults. Called repeatedly while the rasp is up.

        Raises:
            OSError: If an address or port cannot be bound.
        """

    def cut_power(self) -> None:
        """Lose the network, all processes and unsynced data, at once. `close` is called later."""

    def close(self) -> None:
        """Stop serving requests and release all resources."""


def mac_of(slot: Slot) -> str:
    """Return the MAC address of a slot, which consists of a Raspberry Pi prefix, stack and slot."""
    return f"b8:27:eb:23:{slot.stack:02x}:{slot.number:02x}"


class VirtualRasp:
    """A virtual Raspberry Pi in a slot.

    Args:
        slot: Slot of the rasp.
        address: IP address.
        board: Simulated board.
        files: Simulated /sys and /proc.
        host: Network interface and servers.
        boot_seconds: Mean boot time, which varies by ±30 %.
        random: Random number generator for the variation.
        wall_clock: Function that returns the seconds since the epoch. Other times of a rasp are
            those of the monotonic clock of its rack.
    """

    def __init__(
        self,
        slot: Slot,
        address: IPv4Address,
        board: Board,
        files: SensorFiles,
        host: NetworkHost,
        *,
        boot_seconds: float,
        random: Random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.slot = slot
        self.address = address
        self.board = board
        self._files = files
        self._host = host
        self._boot_seconds = boot_seconds
        self._random = random
        self._wall_clock = wall_clock
        self._is_powered = False
        self._up_at = 0.0
        self._files_due_at = 0.0
        self._has_booted = False
        self._is_halted = False

    @property
    def mac(self) -> str:
        """The MAC address."""
        return mac_of(self.slot)

    @property
    def faults(self) -> frozenset[Fault]:
        """The current faults."""
        return frozenset(self.board.faults)

    @property
    def is_powered(self) -> bool:
        """Whether the rasp has power."""
        return self._is_powered

    def power_on(self, now: float) -> None:
        """Switch the power on and start the boot."""
        self._is_powered = True
        self._start_boot(now)

    def power_off(self) -> None:
        """Cut the power. `close` or the next `advance` releases the resources."""
        self._is_powered = False
        self._host.cut_power()

    def close(self) -> None:
        """Release all resources of a rasp without power."""
        self._host.close()

    def inject_fault(self, fault: Fault, now: float) -> None:
        """Inject a fault."""
        if fault is Fault.REBOOT_ONCE:
            if not self._is_halted:
                self._host.cut_power()
                self._start_boot(now)
            return
        self.board.faults.add(fault)
        self._files_due_at = now
        self.advance(now, 0.0)

    def clear_fault(self, fault: Fault, now: float) -> None:
        """Clear a fault. If the fault is `dead`, the rasp boots."""
        if fault in self.board.faults:
            self.board.faults.remove(fault)
            if fault is Fault.DEAD:
                self._start_boot(now)
            self._files_due_at = now
            self.advance(now, 0.0)

    def _start_boot(self, now: float) -> None:
        self._host.close()
        self._has_booted = self._is_halted = False
        seconds = self._boot_seconds * self._random.uniform(0.7, 1.3)
        self._up_at = now + seconds * (_SLOW_FACTOR if Fault.SLOW in self.board.faults else 1)

    @property
    def phase(self) -> Phase:
        """The phase. A rasp that is up accepts connections."""
        if not self._is_powered or Fault.DEAD in self.board.faults:
            return Phase.OFF
        if self._is_halted:
            return Phase.HALTED
        return Phase.UP if self._has_booted else Phase.BOOTING

    @property
    def watts(self) -> float:
        """The power consumption."""
        match self.phase:
            case Phase.OFF:
                return 0.0
            case Phase.HALTED:
                return HALTED_WATTS
        return self.board.watts

    def advance(self, now: float, seconds: float) -> None:
        """Simulate the last `seconds` before `now`, in which the rasp boots or runs."""
        phase = self.phase
        if phase is Phase.OFF:
            self._host.cut_power()
        if phase in {Phase.OFF, Phase.HALTED} or now < self._up_at:
            self._host.close()
            return
        if not self._has_booted:
            self._has_booted = True
            self.board.boot(self._wall_clock())
            self._files_due_at = now
        if self.board.pending_request and not self.board.faults & _FAULTS_WITHOUT_SHUTDOWN:
            self._apply_request(self.board.pending_request, now)
            return
        self.board.advance(seconds)
        if now >= self._files_due_at:
            self._files.write(self.board.readings())
            self._files_due_at = now + _FILES_SECONDS
        self._host.serve(self.board.faults)

    def _apply_request(self, request: SystemRequest, now: float) -> None:
        match request:
            case SystemRequest.REBOOT:
                self._start_boot(now)
            case SystemRequest.HALT:
                self._is_halted = True
                self._host.close()
