"""Read the master's sensors and resource usage with psutil."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from rack.clock import seconds_since_boot


@dataclass(frozen=True, slots=True)
class MasterReadings:
    """Readings of the master. The temperature is None if the master has no sensor."""

    boot_time_seconds: float
    uptime_seconds: float
    load1: float
    memory_available_bytes: int
    memory_total_bytes: int
    disk_available_bytes: int
    disk_size_bytes: int
    temperature_celsius: float | None


def read_master(folder: Path) -> MasterReadings:
    """Read the master. The disk values describe the file system of `folder`."""
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage(str(folder))
    return MasterReadings(
        boot_time_seconds=psutil.boot_time(),
        uptime_seconds=seconds_since_boot(),
        load1=psutil.getloadavg()[0],
        memory_available_bytes=memory.available,
        memory_total_bytes=memory.total,
        disk_available_bytes=disk.free,
        disk_size_bytes=disk.total,
        temperature_celsius=_temperature(),
    )


def _temperature() -> float | None:
    """Return the temperature of the system on chip, or otherwise of the first zone."""
    zones = psutil.sensors_temperatures()
    for name in ("cpu_thermal", *zones):
        for zone in zones.get(name, []):
            return zone.current
    return None
