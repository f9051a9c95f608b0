"""What the controller says of the master itself on its /metrics."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.master.readings import read_master

_HELP = {
    "boot_time_seconds": "When the master was booted, in seconds since 1970.",
    "load1": "Processes that run or wait on the master, over the last minute.",
    "memory_available_bytes": "Memory of the master that programs can still get.",
    "memory_total_bytes": "Memory that the master's kernel manages.",
    "disk_available_bytes": "Space left on the master's file system that holds pirack.db.",
    "disk_size_bytes": "Size of the master's file system that holds pirack.db.",
    "temperature_celsius": "Temperature of the master's system on chip.",
}


def register_metrics(registry: CollectorRegistry, folder: Path) -> None:
    """Add how the master is to the controller's metrics; `folder` is where pirack.db lies."""
    registry.register(_MasterCollector(folder))


class _MasterCollector(Collector):
    """Reads the master when it is asked; what cannot be read has no series."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in asdict(read_master(self._folder)).items():
            if value is not None:
                yield GaugeMetricFamily(f"pirack_master_{name}", _HELP[name], value=value)
