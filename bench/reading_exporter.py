"""Baseline exporter, which uses prometheus_client and reads the files itself."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_CONDITIONS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")


class _Files(Collector):
    def __init__(self, root: Path) -> None:
        self._root = root

    def collect(self) -> Iterator[Metric]:
        sys_, proc = self._root / "sys", self._root / "proc"
        cpufreq = sys_ / "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
        firmware = sys_ / "devices/platform/soc/soc:firmware/get_throttled"
        stat = (proc / "stat").read_text()
        memory = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        root = os.statvfs("/")
        yield _gauge(
            "cpu_temperature_celsius", _int(sys_ / "class/thermal/thermal_zone0/temp") / 1e3
        )
        yield _gauge("cpu_busy_seconds", sum(map(int, stat.split()[1:4])) / 100)
        yield _gauge("cpu_frequency_hertz", _int(cpufreq) * 1e3)
        yield _gauge("cpu_load1", float((proc / "loadavg").read_text().split()[0]))
        yield _gauge("memory_available_bytes", int(memory["MemAvailable"].split()[0]) * 1024)
        yield _gauge("memory_total_bytes", int(memory["MemTotal"].split()[0]) * 1024)
        yield _gauge("disk_available_bytes", root.f_bavail * root.f_frsize)
        yield _gauge("disk_size_bytes", root.f_blocks * root.f_frsize)
        yield _gauge("disk_readonly", "emergency_ro" in (proc / "self/mountinfo").read_text())
        yield _gauge("boot_time_seconds", int(stat.partition("\nbtime ")[2].split()[0]))
        bits = int(firmware.read_text(), 16)
        power = GaugeMetricFamily("pirack_power_condition", "-", labels=["condition", "since"])
        for bit, condition in enumerate(_CONDITIONS):
            power.add_metric([condition, "now"], bits >> bit & 1)
            power.add_metric([condition, "boot"], bits >> bit + 16 & 1)
        yield power

    def describe(self) -> list[Metric]:
        return []


def _gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pirack_{name}", "-", value)


def _int(path: Path) -> int:
    return int(path.read_text())


if __name__ == "__main__":
    registry = CollectorRegistry()
    registry.register(_Files(Path(sys.argv[1])))
    start_http_server(int(sys.argv[2]), "127.0.0.1", registry)
    threading.Event().wait()
