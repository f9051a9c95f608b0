"""Check the monitoring services: state, version, and whether they use PiRack's files."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.programs import run_program
from controller.master.services import MonitoredService, ServiceStatus, check_service
from controller.state.build import STATE_SERIES
from controller.state.model import RaspStatus
from rack import bounded_http

STATE = "services"
CONFIGURATION = "prometheus_configuration"
DASHBOARDS = "grafana_dashboards"

_START_SECONDS = 30.0
_POLL_SECONDS = 1.0
_MAX_POLLS = 31
_TIMEOUT = 5.0
_MAX_RESPONSE_BYTES = 16 * 2**20
_JOBS = ("rasp", "ping", "controller")
_NUMBER = re.compile(r"\d+")


def is_unit_starting(unit: str) -> bool:
    """Return whether a unit has started less than half a minute ago."""
    properties = ("ActiveState", "ActiveEnterTimestampMonotonic")
    try:
        shown = run_program(["systemctl", "show", unit, f"--property={','.join(properties)}"])
    except NotCheckedError:
        return False
    state = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    if state.get("ActiveState") == "activating":
        return True
    started_at = int(state.get("ActiveEnterTimestampMonotonic", "0") or 0) / 1e6
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - started_at
    return state.get("ActiveState") == "active" and age < _START_SECONDS


@dataclass(frozen=True, slots=True)
class _Requirement:
    """Unit, oldest tested version, and what does not work without the service."""

    unit: str
    version: tuple[int, int]
    reason: str


_REQUIREMENTS = {
    "prometheus": _Requirement("prometheus", (2, 42), "the states of all rasps are unknown"),
    "alertmanager": _Requirement(
        "prometheus-alertmanager", (0, 25), "no alert reaches the pages or an operator"
    ),
    "blackbox": _Requirement(
        "prometheus-blackbox-exporter", (0, 23), "rasps are not pinged, and power off fails"
    ),
    "grafana": _Requirement("grafana-server", (11, 6), "dashboards cannot be shown"),
}


def check_services(
    services: Sequence[MonitoredService],
    *,
    is_starting: Callable[[str], bool] = is_unit_starting,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Finding]:
    """Return the services that do not respond, or that are older than the oldest tested version.

    Args:
        services: The services.
        is_starting: Returns whether a unit has just started. Its service does not respond yet.
        sleep: Waits for seconds.
    """
    statuses: dict[str, ServiceStatus] = {}
    missing = [service for service in services if service.name in _REQUIREMENTS]
    for _ in range(_MAX_POLLS):
        statuses |= {service.name: check_service(service) for service in missing}
        missing = [
            service
            for service in missing
            if statuses[service.name].state is not RaspStatus.UP
            and is_starting(_REQUIREMENTS[service.name].unit)
        ]
        if not missing:
            break
        sleep(_POLL_SECONDS)
    return [finding for status in statuses.values() for finding in judge_service(status)]


def judge_service(status: ServiceStatus) -> list[Finding]:
    """Return the findings for the state of a service."""
    required = _REQUIREMENTS[status.name]
    unit = required.unit
    if status.state is not RaspStatus.UP:
        return [
            Finding(
                STATE,
                FindingSeverity.ERROR,
                problem=status.reason,
                reason=required.reason,
                fix=f"`sudo systemctl restart {unit}`. If it fails, `journalctl -u {unit}` names"
                " the reason",
            )
        ]
    version = tuple(map(int, _NUMBER.findall(status.version or "")[:2]))
    oldest = ".".join(map(str, required.version))
    if not version:
        return [
            Finding(
                STATE,
                FindingSeverity.NOT_CHECKED,
                problem=f"the version of {status.name} at {status.url} is unknown",
                reason=f"PiRack was tested with {oldest} and newer",
                fix=f"`apt list --installed` shows the version: {oldest} or newer is required",
            )
        ]
    if version >= required.version:
        return []
    return [
        Finding(
            STATE,
            FindingSeverity.WARNING,
            problem=f"{status.name} {status.version} is older than {oldest}, the oldest tested"
            " version",
            reason="it may reject or ignore PiRack's files",
            fix=f"upgrade to Debian 12 or newer, or install {status.name} {oldest} or newer",
        )
    ]


def get_json(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON at a URL.

    Raises:
        NotCheckedError: If there is none.
    """
    fix = "fix the findings about the services first"
    try:
        response = bounded_http.get(
            url, timeout=_TIMEOUT, max_bytes=_MAX_RESPONSE_BYTES, headers=headers
        )
        if response.is_ok:
            return json.loads(response.body)
    except (OSError, ValueError, bounded_http.InvalidResponseError) as error:
        raise NotCheckedError(f"{url} sends no valid response", fix) from error
    raise NotCheckedError(f"{url} returned HTTP {response.status}", fix)


def check_configuration(url: str) -> list[Finding]:
    """Return whether the Prometheus at a URL does not use PiRack's configuration and rules."""
    try:
        text = str(get_json(f"{url}/api/v1/status/config")["data"]["yaml"])
        groups = get_json(f"{url}/api/v1/rules")["data"]["groups"]
        rules = {rule["name"] for group in groups for rule in group["rules"]}
    except (KeyError, TypeError) as error:
        raise NotCheckedError(
            f"{url} is not a Prometheus", "correct the option --prometheus of the controller"
        ) from error
    missing = [f"job {name}" for name in _JOBS if f"job_name: {name}\n" not in text]
    if STATE_SERIES not in rules:
        missing.append(f"rule {STATE_SERIES}")
    if not missing:
        return []
    return [
        Finding(
            CONFIGURATION,
            FindingSeverity.ERROR,
            problem=f"the configuration of Prometheus at {url} lacks {', '.join(missing)}",
            reason=_REQUIREMENTS["prometheus"].reason,
            fix="`sudo python3 -m deploy.install_master` makes Prometheus use"
            " /etc/pirack/prometheus/prometheus.yml. If a drop-in in"
            " /etc/systemd/system/prometheus.service.d or a prometheus.yml.new exists, merge it",
        )
    ]


def check_dashboards(url: str) -> list[Finding]:
    """Return whether the Grafana at a URL does not have PiRack's dashboards."""
    found = get_json(f"{url.rstrip('/')}/api/search")
    if any(isinstance(each, dict) and each.get("uid") == "pirack-rack" for each in found):
        return []
    return [
        Finding(
            DASHBOARDS,
            FindingSeverity.WARNING,
            problem=f"Grafana at {url} has no dashboard pirack-rack",
            reason="links from the pages to Grafana lead nowhere",
            fix="`sudo python3 -m deploy.install_master`, then"
            " `sudo systemctl restart grafana-server`",
        )
    ]
