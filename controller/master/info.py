"""The master itself: its readings, by psutil, and the services that it runs."""

import os
import platform
import re
import socket
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

import psutil
import requests

from controller import __version__
from controller.master.clock import is_time_synchronized
from controller.master.readings import read_master
from controller.state.model import RaspStatus
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from controller.web.schemas import InterfaceResponse, MasterResponse, ServiceResponse
from rack.gpio_persistence import persists_outputs

_TIMEOUT = 2.0
_BUILD_INFO_VERSION = re.compile(r'_build_info\{[^}]*\bversion="([^"]*)"')
_PRINTED_VERSION = re.compile(r"\d+(\.\d+)+\S*")

# Of the firmware's bits the first four are of now, and these are how far the same since boot are.
_SINCE_BOOT_SHIFT = 16
_CONDITIONS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")


@dataclass(frozen=True, slots=True)
class MonitoredService:
    """A service on the master.

    `fetch_version` asks it for its version, or raises `ServiceDownError`, or `ServiceStateUnknownError`.
    """

    name: str
    url: str
    fetch_version: Callable[[], str | None]


class ServiceDownError(Exception):
    """A service does not answer; the text says why."""


class ServiceStateUnknownError(Exception):
    """Nobody can tell whether a service runs; the text says why."""


def prometheus_service(prometheus: Prometheus) -> MonitoredService:
    """Return Prometheus as a service of the master."""

    def version() -> str:
        try:
            return prometheus.version()
        except PrometheusUnavailableError as error:
            raise ServiceDownError(str(error)) from error

    return MonitoredService("prometheus", prometheus.url, version)


def metrics_service(name: str, address: str) -> MonitoredService:
    """Return a service at `ADDRESS:PORT` whose own /metrics tell its version in a `_build_info`."""
    url = f"http://{address}"

    def version() -> str | None:
        try:
            response = requests.get(f"{url}/metrics", timeout=_TIMEOUT)
            response.raise_for_status()
        except requests.RequestException as error:
            raise ServiceDownError(f"{name} at {url} cannot be reached") from error
        found = _BUILD_INFO_VERSION.search(response.text)
        return found[1] if found else None

    return MonitoredService(name, url, version)


def grafana_service(url: str) -> MonitoredService:
    """Return Grafana as a service of the master."""
    url = url.rstrip("/")

    def version() -> str | None:
        try:
            response = requests.get(f"{url}/api/health", timeout=_TIMEOUT)
            response.raise_for_status()
            health = response.json()
        except requests.RequestException as error:
            raise ServiceDownError(f"grafana at {url} cannot be reached") from error
        version = health.get("version") if isinstance(health, dict) else None
        return version if isinstance(version, str) else None

    return MonitoredService("grafana", url, version)


def unit_service(name: str, unit: str) -> MonitoredService:
    """Return a program that says nothing over HTTP, and runs under systemd.

    Args:
        name: the program, which is asked for its version by `--version`.
        unit: its unit, which systemd is asked for.
    """

    def version() -> str | None:
        words = ["systemctl", "show", unit, "--property=LoadState", "--property=ActiveState"]
        lines = (_command_output(words) or "").splitlines()
        state = dict(line.split("=", 1) for line in lines if "=" in line)
        if state.get("LoadState") != "loaded":
            raise ServiceStateUnknownError(f"systemd on this machine has no unit {unit}")
        if state.get("ActiveState") != "active":
            raise ServiceDownError(f"its unit {unit} is {state.get('ActiveState')}")
        found = _PRINTED_VERSION.search(_command_output([name, "--version"]) or "")
        return found[0] if found else None

    return MonitoredService(name, unit, version)


def _command_output(command: Sequence[str]) -> str | None:
    """Return what a program says, None if it cannot be asked."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


class MasterInfo:
    """Reads the master and asks its services.

    Args:
        folder: where pirack.db lies: its file system is the one whose space matters.
        services: what is asked for its state and version.
        root: where the kernel's files are.
    """

    def __init__(
        self, folder: Path, services: Sequence[MonitoredService], *, root: Path = Path("/")
    ) -> None:
        self._folder = folder
        self._services = services
        self._root = root
        psutil.cpu_percent()  # each later one tells of the time since the one before

    def read(self) -> MasterResponse:
        """Return how the master is now."""
        throttled = read_throttled(self._root)
        with ThreadPoolExecutor(max_workers=max(len(self._services), 1)) as pool:
            services = list(pool.map(_check_service, self._services))
        return MasterResponse(
            host_name=platform.node(),
            version=__version__,
            **asdict(read_master(self._folder)),
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
    """Return the firmware's bits on power and heat, None where no firmware tells."""
    for path in root.glob("sys/devices/platform/soc*/soc*:firmware/get_throttled"):
        try:
            return int(path.read_text(encoding="ascii"), 16)
        except (OSError, ValueError):
            return None
    return None


def decode_conditions(throttled: int | None, shift: int = 0) -> list[str] | None:
    """Return what the firmware's bits say, of now, or with a shift of 16 of the time since boot."""
    if throttled is None:
        return None
    return [name for bit, name in enumerate(_CONDITIONS, shift) if throttled >> bit & 1]


def _interfaces() -> list[InterfaceResponse]:
    interfaces: list[InterfaceResponse] = []
    for name, addresses in psutil.net_if_addrs().items():
        mac = next((each.address for each in addresses if each.family == psutil.AF_LINK), None)
        interfaces.extend(
            InterfaceResponse(name=name, mac=mac, ip=IPv4Address(each.address))
            for each in addresses
            if each.family == socket.AF_INET and name != "lo"
        )
    return interfaces


def _check_service(service: MonitoredService) -> ServiceResponse:
    try:
        version, state, why = service.fetch_version(), RaspStatus.UP, ""
    except ServiceDownError as error:
        version, state, why = None, RaspStatus.DOWN, str(error)
    except ServiceStateUnknownError as error:
        version, state, why = None, RaspStatus.UNKNOWN, str(error)
    return ServiceResponse(
        name=service.name, url=service.url, state=state, version=version, reason=why
    )
