"""Check the services of the master: Prometheus, Alertmanager, Grafana, dhcpd."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.options import ControllerOptions
from controller.state.model import RaspStatus
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from rack import bounded_http
from rack.errors import PiRackError

_TIMEOUT = 2.0
_MAX_RESPONSE_BYTES = 4 * 2**20
_BUILD_INFO_VERSION = re.compile(r'_build_info\{[^}]*\bversion="([^"]*)"')
_PRINTED_VERSION = re.compile(r"\d+(\.\d+)+\S*")


@dataclass(frozen=True, slots=True)
class MonitoredService:
    """A service of the master.

    Attributes:
        name: Name of the service.
        url: URL or systemd unit.
        fetch_version: Returns the version, or None if it is unknown. Raises `ServiceDownError` or
            `ServiceStateUnknownError`.
    """

    name: str
    url: str
    fetch_version: Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """State of a service. `reason` explains why the service is not up, or is ""."""

    name: str
    url: str
    state: RaspStatus
    version: str | None = None
    reason: str = ""


class ServiceDownError(PiRackError):
    """A service does not respond."""


class ServiceStateUnknownError(PiRackError):
    """The state of a service cannot be determined."""


def check_service(service: MonitoredService) -> ServiceStatus:
    """Return the state of a service."""
    try:
        version = service.fetch_version()
    except ServiceDownError as error:
        return ServiceStatus(service.name, service.url, RaspStatus.DOWN, reason=str(error))
    except ServiceStateUnknownError as error:
        return ServiceStatus(service.name, service.url, RaspStatus.UNKNOWN, reason=str(error))
    return ServiceStatus(service.name, service.url, RaspStatus.UP, version)


def monitored_services(
    options: ControllerOptions, headers: Mapping[str, str]
) -> list[MonitoredService]:
    """Return the services that the options name.

    Args:
        options: Options of the controller.
        headers: Headers of requests to Alertmanager and blackbox_exporter.
    """
    return [
        unit_service("dhcpd", dhcp_unit(options.dhcp_server) or "isc-dhcp-server"),
        prometheus_service(Prometheus(options.prometheus)),
        metrics_service("alertmanager", options.alertmanager, headers),
        metrics_service("blackbox", options.blackbox, headers),
        *([grafana_service(options.grafana)] if options.grafana else []),
    ]


def prometheus_service(prometheus: Prometheus) -> MonitoredService:
    """Return Prometheus as a service."""

    def fetch_version() -> str:
        try:
            return prometheus.version()
        except PrometheusUnavailableError as error:
            raise ServiceDownError(str(error)) from error

    return MonitoredService("prometheus", prometheus.url, fetch_version)


def metrics_service(name: str, address: str, headers: Mapping[str, str]) -> MonitoredService:
    """Return a service at `ADDRESS:PORT` that exports its version as `…_build_info`.

    Args:
        name: Name of the service.
        address: `ADDRESS:PORT`.
        headers: Headers of each request, which authenticate the controller.
    """
    url = f"http://{address}"

    def fetch_version() -> str | None:
        match = _BUILD_INFO_VERSION.search(_get(name, url, "/metrics", headers))
        return match[1] if match else None

    return MonitoredService(name, url, fetch_version)


def grafana_service(url: str) -> MonitoredService:
    """Return Grafana as a service."""
    url = url.rstrip("/")

    def fetch_version() -> str | None:
        try:
            health = json.loads(_get("grafana", url, "/api/health", {}))
        except ValueError as error:
            raise ServiceDownError(f"grafana at {url} cannot be reached") from error
        version = health.get("version") if isinstance(health, dict) else None
        return version if isinstance(version, str) else None

    return MonitoredService("grafana", url, fetch_version)


def unit_service(name: str, unit: str) -> MonitoredService:
    """Return a systemd unit without an HTTP endpoint as a service.

    Args:
        name: Name of the program. Its option `--version` prints the version.
        unit: Name of the unit.
    """

    def fetch_version() -> str | None:
        _require_active(unit)
        match = _PRINTED_VERSION.search(_command_output([name, "--version"]) or "")
        return match[0] if match else None

    return MonitoredService(name, unit, fetch_version)


def is_dhcp_server_active(dhcp_server: str) -> bool | None:
    """Return whether the unit in the option --dhcp-server is active, or None if this is unknown."""
    unit = dhcp_unit(dhcp_server)
    if unit is None:
        return None
    try:
        _require_active(unit)
    except ServiceDownError:
        return False
    except ServiceStateUnknownError:
        return None
    return True


def dhcp_unit(dhcp_server: str) -> str | None:
    """Return the systemd unit in the option --dhcp-server, or None if it names none."""
    kind, _, unit = dhcp_server.partition(":")
    return unit if kind == "unit" else None


def _require_active(unit: str) -> None:
    command = ["systemctl", "show", unit, "--property=LoadState", "--property=ActiveState"]
    output = _command_output(command)
    if output is None and shutil.which("systemctl"):
        raise ServiceStateUnknownError(f"systemctl did not report the state of unit {unit}")
    lines = (output or "").splitlines()
    properties = dict(line.split("=", 1) for line in lines if "=" in line)
    if properties.get("LoadState") != "loaded":
        raise ServiceStateUnknownError(f"systemd on this machine has no unit {unit}")
    if properties.get("ActiveState") != "active":
        raise ServiceDownError(f"unit {unit} is {properties.get('ActiveState')}")


def _get(name: str, url: str, path: str, headers: Mapping[str, str]) -> str:
    try:
        response = bounded_http.get(
            url + path, headers=headers, timeout=_TIMEOUT, max_bytes=_MAX_RESPONSE_BYTES
        )
    except (OSError, bounded_http.InvalidResponseError) as error:
        raise ServiceDownError(f"{name} at {url} cannot be reached") from error
    if not response.is_ok:
        raise ServiceDownError(f"{name} at {url} returned HTTP {response.status}")
    return response.text


def _command_output(command: Sequence[str]) -> str | None:
    """Return the output of a command, or None if it cannot run."""
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
