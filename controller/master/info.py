"""Read the state of the master and of its services."""

import os
import platform
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

import psutil

from controller import __version__
from controller.master.clock import is_time_synchronized
from controller.master.readings import MasterReadings, read_master
from controller.master.services import MonitoredService, ServiceStatus, check_service
from rack.gpio.persistence import persists_outputs

# The firmware's bits 0 to 3 are active conditions. Bits 16 to 19 are conditions since boot.
_SINCE_BOOT_SHIFT = 16
_CONDITIONS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """An address of a network interface."""

    name: str
    mac: str | None
    ip: IPv4Address


@dataclass(frozen=True, slots=True)
class MasterState(MasterReadings):
    """State of the master and its services. Unknown values are None.

    Attributes:
        version: Version of PiRack.
        cpu_used_ratio: Fraction of all cores that was used since the previous read.
        conditions: Active power and temperature conditions of the firmware.
        conditions_since_boot: Conditions that were active at any time since boot.
        persists_outputs: Whether the kernel keeps driving the pins of a program that has ended.
            None without GPIO pins.
    """

    host_name: str
    version: str
    cores: int
    cpu_used_ratio: float
    conditions: list[str] | None
    conditions_since_boot: list[str] | None
    is_time_synchronized: bool | None
    persists_outputs: bool | None
    interfaces: list[NetworkInterface]
    services: list[ServiceStatus]


class MasterInfo:
    """Reader of the master's state.

    Args:
        folder: Folder of pirack.db, on the file system of the disk values.
        services: Services to check.
        root: Root of the file system.
    """

    def __init__(
        self, folder: Path, services: Sequence[MonitoredService], *, root: Path = Path("/")
    ) -> None:
        self._folder = folder
        self._services = services
        self._root = root
        psutil.cpu_percent()  # starts the interval of the first read

    def read(self) -> MasterState:
        """Return the current state of the master. Check the services concurrently."""
        throttled = read_throttled(self._root)
        with ThreadPoolExecutor(max_workers=max(len(self._services), 1)) as pool:
            services = list(pool.map(check_service, self._services))
        return MasterState(
            **asdict(read_master(self._folder)),
            host_name=platform.node(),
            version=__version__,
            cores=os.cpu_count() or 1,
            cpu_used_ratio=psutil.cpu_percent() / 100,
            conditions=decode_conditions(throttled),
            conditions_since_boot=decode_conditions(throttled, _SINCE_BOOT_SHIFT),
            is_time_synchronized=is_time_synchronized(),
            persists_outputs=persists_outputs(self._root),
            interfaces=_interfaces(),
            services=services,
        )


def read_throttled(root: Path) -> int | None:
    """Return the firmware's condition bits, or None if they are unavailable."""
    for path in root.glob("sys/devices/platform/soc*/soc*:firmware/get_throttled"):
        try:
            return int(path.read_text(encoding="ascii"), 16)
        except (OSError, ValueError):
            return None
    return None


def decode_conditions(throttled: int | None, shift: int = 0) -> list[str] | None:
    """Return the names of the conditions in the bits that start at `shift`."""
    if throttled is None:
        return None
    return [name for bit, name in enumerate(_CONDITIONS, shift) if throttled >> bit & 1]


def _interfaces() -> list[NetworkInterface]:
    interfaces: list[NetworkInterface] = []
    for name, addresses in psutil.net_if_addrs().items():
        mac = next(
            (address.address for address in addresses if address.family == psutil.AF_LINK), None
        )
        interfaces.extend(
            NetworkInterface(name, mac, IPv4Address(address.address))
            for address in addresses
            if address.family == socket.AF_INET and name != "lo"
        )
    return interfaces
