"""Check whether the monitoring services have accepted their current configuration files."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from controller.doctor.programs import run_program
from controller.doctor.services import get_json
from rack import bounded_http

NAME = "configuration_files"

_TIMEOUT = 5.0
_MAX_RESPONSE_BYTES = 16 * 2**20
_MAX_ERROR_CHARS = 300
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"")
_REASON = "the service still uses the previous version, and may not start after a reboot"


@dataclass(frozen=True, slots=True)
class FileChecker:
    """A program that checks files.

    Attributes:
        programs: Alternative names of the program.
        arguments: Arguments before the files.
        files: Glob pattern of the files, relative to the folder of prometheus.yml.
    """

    programs: tuple[str, ...]
    arguments: tuple[str, ...]
    files: str


@dataclass(frozen=True, slots=True)
class ConfiguredService:
    """A service with configuration files.

    Attributes:
        name: Name of the service.
        unit: Unit of the service.
        url: Base URL of the service.
        headers: Headers of each request.
        metric: Start of the metrics about its configuration.
        files: Configuration files and glob patterns, relative to the folder of prometheus.yml.
        check_command: Command with which an operator checks the first file.
        checkers: Programs that check the files for the doctor, which cannot read the secrets that
            `check_command` reads.
    """

    name: str
    unit: str
    url: str
    headers: Mapping[str, str]
    metric: str
    files: tuple[str, ...]
    check_command: str
    checkers: tuple[FileChecker, ...]


def configured_services(
    prometheus: str, alertmanager: str, blackbox: str, headers: Mapping[str, str]
) -> list[ConfiguredService]:
    """Return the services at these addresses."""
    return [
        ConfiguredService(
            "Prometheus",
            "prometheus",
            prometheus.rstrip("/"),
            {},
            "prometheus",
            ("prometheus.yml", "rules/*.yml"),
            "promtool check config",
            (
                FileChecker(("promtool",), ("check", "config", "--syntax-only"), "prometheus.yml"),
                FileChecker(("promtool",), ("check", "rules"), "rules/*.yml"),
            ),
        ),
        ConfiguredService(
            "Alertmanager",
            "prometheus-alertmanager",
            f"http://{alertmanager}",
            headers,
            "alertmanager",
            ("alertmanager.yml",),
            "amtool check-config",
            (FileChecker(("amtool",), ("check-config",), "alertmanager.yml"),),
        ),
        ConfiguredService(
            "blackbox_exporter",
            "prometheus-blackbox-exporter",
            f"http://{blackbox}",
            headers,
            "blackbox_exporter",
            ("blackbox.yml",),
            "prometheus-blackbox-exporter --config.check --config.file",
            (
                FileChecker(
                    ("prometheus-blackbox-exporter", "blackbox_exporter"),
                    ("--config.check", "--config.file"),
                    "blackbox.yml",
                ),
            ),
        ),
    ]


def check_files(services: Sequence[ConfiguredService]) -> list[Finding]:
    """Return the services that rejected their files or have not read the newest version.

    The first service is Prometheus, which reports the folder of the files.

    Raises:
        NotCheckedError: If a service does not respond, or the files are not on this machine.
    """
    flags = get_json(f"{services[0].url}/api/v1/status/flags")
    try:
        folder = Path(flags["data"]["config.file"]).parent
    except (KeyError, TypeError) as error:
        raise NotCheckedError(
            f"{services[0].url} is not a Prometheus", "correct the option --prometheus"
        ) from error
    if not folder.is_dir():
        raise NotCheckedError(
            f"the files of Prometheus in {folder} are not on this machine",
            "run the checks of docs/reference/prometheus.md where Prometheus runs",
        )
    return [finding for service in services for finding in _check(service, folder)]


def _check(service: ConfiguredService, folder: Path) -> list[Finding]:
    metrics = _metrics(service)
    is_accepted = _value(metrics, f"{service.metric}_config_last_reload_successful")
    read_at = _value(metrics, f"{service.metric}_config_last_reload_success_timestamp_seconds")
    if is_accepted is None or read_at is None:
        raise NotCheckedError(
            f"{service.name} at {service.url} does not report its configuration",
            f"restart it: `sudo systemctl restart {service.unit}`",
        )
    files = [path for pattern in service.files for path in sorted(folder.glob(pattern))]
    changed = [path for path in files if path.stat().st_mtime > read_at]
    if is_accepted and not changed:
        return []
    error = _error_in(service, folder)
    return [_finding(service, folder, changed, error, is_accepted=bool(is_accepted))]


def _finding(
    service: ConfiguredService,
    folder: Path,
    changed: Sequence[Path],
    error: str,
    *,
    is_accepted: bool,
) -> Finding:
    main = folder / service.files[0]
    names = ", ".join(str(path) for path in changed) or str(main)
    check = f"`sudo {service.check_command} {main}`"
    reload = f"`sudo systemctl reload {service.unit}`"
    if error or not is_accepted:
        names_file = any(error.startswith(str(path)) for path in changed)
        rejected = error if names_file else ": ".join(filter(None, (names, error)))
        problem = f"{service.name} does not accept {rejected}"
        severity, fix = FindingSeverity.ERROR, f"correct what {check} reports, then run {reload}"
    else:
        problem = f"{names} was changed after {service.name} read it"
        severity, fix = FindingSeverity.WARNING, f"{check}, then {reload}"
    return Finding(NAME, severity, problem, _REASON, fix)


def _error_in(service: ConfiguredService, folder: Path) -> str:
    """Return the first error that the program of a service finds in the files, or ""."""
    for checker in service.checkers:
        program = next(filter(None, map(shutil.which, checker.programs)), None)
        files = [str(path) for path in sorted(folder.glob(checker.files)) if _is_readable(path)]
        if program is None or not files:
            continue  # the metrics of the service already show that something is wrong
        checked = run_program([program, *checker.arguments, *files])
        if checked.returncode != 0:
            return _first_error(checked.stdout)
    return ""


def _first_error(output: str) -> str:
    """Return the first line with the place of an error, otherwise the first one with an error.

    Invalid values, which may be secrets, are between quotes. They are omitted.
    """
    for pattern in (r"line \d|: \d+:\d+: ", r"error|fail|invalid"):
        for line in output.splitlines():
            if re.search(pattern, line, re.IGNORECASE):
                return _QUOTED.sub("…", _message(line))[:_MAX_ERROR_CHARS]
    return ""


def _message(line: str) -> str:
    """Return the message of a line, without the fields of logfmt and the prefix of amtool."""
    if match := re.search(r'\berr="(.*)"', line):
        return match[1].replace("\\n", " ").replace('\\"', '"')
    return line.rpartition("FAILED: ")[2].strip()


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True


def _metrics(service: ConfiguredService) -> str:
    try:
        response = bounded_http.get(
            f"{service.url}/metrics",
            headers=service.headers,
            timeout=_TIMEOUT,
            max_bytes=_MAX_RESPONSE_BYTES,
        )
    except (OSError, bounded_http.InvalidResponseError) as error:
        raise NotCheckedError(
            f"{service.name} at {service.url} does not respond",
            f"`sudo systemctl restart {service.unit}`",
        ) from error
    return response.text


def _value(metrics: str, name: str) -> float | None:
    match = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(match[1]) if match else None
