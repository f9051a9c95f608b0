"""The master itself: its readings, by psutil, and the services that it runs."""

import platform
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import psutil
import requests

from controller import __version__
from controller.prometheus import Prometheus, PrometheusUnavailable
from controller.schemas import InterfaceAnswer, MasterAnswer, ServiceAnswer
from controller.state import State

_TIMEOUT = 2.0
_VERSION = re.compile(r'_build_info\{[^}]*\bversion="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Service:
    """A service on the master. `version` asks it for its version, or raises `ServiceAway`."""

    name: str
    url: str
    version: Callable[[], str | None]


class ServiceAway(Exception):
    """A service does not answer; the text says why."""


def prometheus_service(prometheus: Prometheus) -> Service:
    """Return Prometheus as a service of the master."""

    def version() -> str:
        try:
            return prometheus.version()
        except PrometheusUnavailable as error:
            raise ServiceAway(str(error)) from error

    return Service("prometheus", prometheus.url, version)


def metrics_service(name: str, address: str) -> Service:
    """Return a service at `ADDRESS:PORT` whose own /metrics tell its version in a `_build_info`."""
    url = f"http://{address}"

    def version() -> str | None:
        try:
            response = requests.get(f"{url}/metrics", timeout=_TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise ServiceAway(f"{name} at {url} cannot be reached") from error
        found = _VERSION.search(response.text)
        return found[1] if found else None

    return Service(name, url, version)


class Master:
    """Reads the master and asks its services.

    Args:
        folder: where pirack.db lies: its file system is the one whose space matters.
        services: what is asked for its state and version.
    """

    def __init__(self, folder: Path, services: Sequence[Service]) -> None:
        self._folder = folder
        self._services = services

    def read(self) -> MasterAnswer:
        """Return how the master is now."""
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._folder))
        return MasterAnswer(
            host_name=platform.node(),
            version=__version__,
            boot_time_seconds=psutil.boot_time(),
            load1=psutil.getloadavg()[0],
            memory_available_bytes=memory.available,
            memory_total_bytes=memory.total,
            disk_available_bytes=disk.free,
            disk_size_bytes=disk.total,
            temperature_celsius=_temperature(),
            interfaces=_interfaces(),
            services=[_ask(service) for service in self._services],
        )


def _temperature() -> float | None:
    """Return the chip's temperature in °C; the first zone is the chip's on every Raspberry Pi."""
    zones = psutil.sensors_temperatures()
    for name in ("cpu_thermal", *zones):
        for zone in zones.get(name, []):
            return zone.current
    return None


def _interfaces() -> list[InterfaceAnswer]:
    interfaces: list[InterfaceAnswer] = []
    for name, addresses in psutil.net_if_addrs().items():
        mac = next((each.address for each in addresses if each.family == psutil.AF_LINK), None)
        interfaces.extend(
            InterfaceAnswer(name=name, mac=mac, ip=IPv4Address(each.address))
            for each in addresses
            if each.family == socket.AF_INET and name != "lo"
        )
    return interfaces


def _ask(service: Service) -> ServiceAnswer:
    try:
        version, state, why = service.version(), State.UP, ""
    except ServiceAway as error:
        version, state, why = None, State.DOWN, str(error)
    return ServiceAnswer(name=service.name, url=service.url, state=state, version=version, why=why)
