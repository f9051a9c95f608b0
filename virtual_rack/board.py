"""Simulation of a board, which computes sensor readings from load and temperature."""

import os
from enum import StrEnum
from math import exp
from random import Random

from virtual_rack.faults import Fault
from virtual_rack.sensors import (
    CLOCK_TICKS,
    CORES,
    FREQUENCY_CAPPED,
    SINCE_BOOT_SHIFT,
    SOFT_LIMIT,
    THROTTLED,
    UNDER_VOLTAGE,
    SensorReadings,
)
from virtual_rack.thermal import heat_output
from virtual_rack.workload import Workload

_IDLE_KHZ, _CAPPED_KHZ, _FULL_KHZ = 600_000, 1_000_000, 1_500_000
_MEMORY_KIB = 3_884_412
_BLOCK_BYTES, _DISK_BLOCKS = 4096, 7_650_000
_SOFT_LIMIT_CELSIUS = 80.0  # the firmware of a Pi 4 lowers the clock above this value
_BUSY_LOAD = 0.3  # the governor raises the clock above this value
_LOAD1_TIME_CONSTANT = 60.0


class SystemRequest(StrEnum):
    """A request to the operating system."""

    REBOOT = "reboot"
    HALT = "halt"


class Board:
    """A simulated Raspberry Pi 4. `random` determines the workload of the board."""

    def __init__(self, random: Random, *, temperature: float) -> None:
        self.temperature = temperature  # °C
        self.faults: set[Fault] = set()
        self._workload = Workload(random)
        self._since_boot = 0
        self._busy_seconds = 0.0
        self._up_seconds = 0.0
        self._load1 = 0.0
        self._boot_time = 0.0
        self._pending_request: SystemRequest | None = None

    def boot(self, now: float) -> None:
        """Reset the state as at a boot. `now` is in seconds since the epoch."""
        self._boot_time = now
        self._since_boot = 0
        self._busy_seconds = self._up_seconds = self._load1 = 0.0
        self._pending_request = None

    def request(self, request: SystemRequest) -> None:
        """Request a reboot or halt, which the rasp executes later. Thread-safe."""
        self._pending_request = request

    @property
    def pending_request(self) -> SystemRequest | None:
        """The latest request since the boot, or None."""
        return self._pending_request

    @property
    def watts(self) -> float:
        """The heat output while the board is running."""
        return heat_output(self._workload.load if self._is_cool else self._workload.load * 0.7)

    @property
    def _is_cool(self) -> bool:
        return self.temperature < _SOFT_LIMIT_CELSIUS

    def advance(self, seconds: float) -> None:
        """Simulate `seconds` of operation."""
        self._workload.advance(seconds)
        load = self._workload.load
        self._up_seconds += seconds
        self._busy_seconds += load * CORES * seconds
        decay = exp(-seconds / _LOAD1_TIME_CONSTANT)
        self._load1 = self._load1 * decay + load * CORES * (1 - decay)
        self._since_boot |= self._conditions()

    def _conditions(self) -> int:
        conditions = 0
        if not self._is_cool:
            conditions |= SOFT_LIMIT | THROTTLED
        if Fault.UNDERVOLTAGE in self.faults:
            conditions |= UNDER_VOLTAGE | FREQUENCY_CAPPED
        return conditions

    def statvfs(self, _path: str) -> os.statvfs_result:
        """Return the result of `os.statvfs` for an SD card of 32 GB, one third in use."""
        used = _DISK_BLOCKS // 3
        free = _DISK_BLOCKS - used
        available = free - _DISK_BLOCKS // 20  # ext4 reserves 5 % for root
        flags = os.ST_RDONLY if Fault.READONLY in self.faults else 0
        sizes = (_BLOCK_BYTES, _BLOCK_BYTES, _DISK_BLOCKS, free, available)
        return os.statvfs_result((*sizes, 1_900_000, 1_800_000, 1_800_000, flags, 255))

    def readings(self) -> SensorReadings:
        """Return the current sensor readings."""
        conditions = self._conditions()
        load = self._workload.load
        frequency = _FULL_KHZ if load > _BUSY_LOAD else _IDLE_KHZ
        idle_seconds = self._up_seconds * CORES - self._busy_seconds
        return SensorReadings(
            temperature=round(self.temperature * 1000),
            frequency=min(frequency, _CAPPED_KHZ) if conditions else frequency,
            throttled=conditions | (self._since_boot | conditions) << SINCE_BOOT_SHIFT,
            busy_ticks=round(self._busy_seconds * CLOCK_TICKS),
            idle_ticks=round(idle_seconds * CLOCK_TICKS),
            load1=self._load1,
            memory_total=_MEMORY_KIB,
            memory_available=round(_MEMORY_KIB * (0.9 - 0.6 * load)),
            boot_time=0 if Fault.WRONG_CLOCK in self.faults else round(self._boot_time),
            uptime=self._up_seconds,
            is_root_readonly=Fault.READONLY in self.faults,
        )
