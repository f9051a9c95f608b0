"""Export the master's readings on the controller's /metrics."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.master.readings import read_master

_HELP = {
    "boot_time_seconds": "Boot time of the master, in seconds since 1970.",
    "uptime_seconds": "Seconds since the boot of the master.",
    "load1": "Mean number of runnable processes on the master over one minute.",
    "memory_available_bytes": "Available memory of the master.",
    "memory_total_bytes": "Total memory of the master.",
    "disk_available_bytes": "Available space of the file system with pirack.db.",
    "disk_size_bytes": "Size of the file system with pirack.db.",
    "temperature_celsius": "Temperature of the master's system on chip.",
}


def register_metrics(registry: CollectorRegistry, folder: Path) -> None:
    """Register the master's metrics. `folder` is the folder of pirack.db."""
    registry.register(_MasterCollector(folder))


class _MasterCollector(Collector):
    """Collector of the master's readings. Unknown readings have no series."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in asdict(read_master(self._folder)).items():
            if value is not None:
                yield GaugeMetricFamily(f"pirack_master_{name}", _HELP[name], value=value)
