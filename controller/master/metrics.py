"""Export the master's readings on the controller's /metrics."""

from collections.abc import Callable, Iterator
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


def register_metrics(
    registry: CollectorRegistry, folder: Path, is_dhcp_server_up: Callable[[], bool | None]
) -> None:
    """Register the metrics of the master and its DHCP server.

    Args:
        registry: Registry of the controller.
        folder: Folder of pirack.db.
        is_dhcp_server_up: Returns whether the DHCP server runs, or None if this is unknown.
    """
    registry.register(_MasterCollector(folder))
    registry.register(_DhcpServerCollector(is_dhcp_server_up))


class _MasterCollector(Collector):
    """Collector of the master's readings. Unknown readings have no series."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in asdict(read_master(self._folder)).items():
            if value is not None:
                yield GaugeMetricFamily(f"pirack_master_{name}", _HELP[name], value=value)


class _DhcpServerCollector(Collector):
    """Collector of whether the DHCP server runs. The metric has no series while it is unknown."""

    def __init__(self, is_up: Callable[[], bool | None]) -> None:
        self._is_up = is_up

    def collect(self) -> Iterator[GaugeMetricFamily]:
        is_up = self._is_up()
        if is_up is not None:
            help_text = "Whether the DHCP server of the master runs."
            yield GaugeMetricFamily("pirack_dhcp_server_up", help_text, value=is_up)
