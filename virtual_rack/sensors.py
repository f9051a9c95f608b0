"""Sensor files of a Raspberry Pi 4 under /sys and /proc.

The formats are documented in the kernel's Documentation/filesystems/proc.rst and Documentation/ABI
(thermal, cpufreq). The source of get_throttled is Raspberry Pi's drivers/firmware/raspberrypi.c.
Bits 0 to 3 of get_throttled show the conditions now, bits 16 to 19 the conditions since boot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rack.files import replace_file

CORES = 4
CLOCK_TICKS = 100  # USER_HZ: the unit of /proc/stat

UNDER_VOLTAGE, FREQUENCY_CAPPED, THROTTLED, SOFT_LIMIT = (1 << bit for bit in range(4))
SINCE_BOOT_SHIFT = 16  # shift from the bit of a condition now to the bit since boot


@dataclass(frozen=True, slots=True)
class SensorReadings:
    """Sensor readings of a board, in the units of the kernel's files."""

    temperature: int  # millidegrees Celsius
    frequency: int  # kHz
    throttled: int
    busy_ticks: int
    idle_ticks: int
    load1: float
    memory_total: int  # KiB
    memory_available: int  # KiB
    boot_time: int  # seconds since the epoch
    uptime: float  # seconds
    is_root_readonly: bool


def sensor_files(readings: SensorReadings) -> Iterator[tuple[str, str]]:
    """Yield the relative path and the text of each file."""
    cpu0 = "sys/devices/system/cpu/cpu0/cpufreq"
    yield "sys/class/thermal/thermal_zone0/temp", f"{readings.temperature}\n"
    yield f"{cpu0}/scaling_cur_freq", f"{readings.frequency}\n"
    yield (
        "sys/devices/platform/soc/soc:firmware/get_throttled",
        f"{readings.throttled:x}\n",
    )
    ticks = f"{readings.busy_ticks} 0 0 {readings.idle_ticks} 0 0 0 0 0 0"
    yield "proc/stat", f"cpu  {ticks}\nbtime {readings.boot_time}\n"
    load = f"{readings.load1:.2f}"
    yield "proc/loadavg", f"{load} {load} {load} 1/123 4567\n"
    yield (
        "proc/meminfo",
        f"MemTotal:       {readings.memory_total:8} kB\n"
        f"MemFree:        {readings.memory_available // 2:8} kB\n"
        f"MemAvailable:   {readings.memory_available:8} kB\n",
    )
    yield "proc/uptime", f"{readings.uptime:.2f} {readings.idle_ticks / CLOCK_TICKS:.2f}\n"
    options = "rw,emergency_ro" if readings.is_root_readonly else "rw"
    yield (
        "proc/self/mountinfo",
        f"22 26 0:21 / /proc rw,nosuid shared:13 - proc proc rw\n"
        f"26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 {options}\n",
    )


class SensorFiles:
    """Simulated /sys and /proc of a board, in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._written: dict[str, str] = {}

    def write(self, readings: SensorReadings) -> None:
        """Replace each changed file atomically."""
        for name, text in sensor_files(readings):
            if self._written.get(name) == text:
                continue
            path = self._root / name
            if name not in self._written:
                path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text)
            self._written[name] = text
