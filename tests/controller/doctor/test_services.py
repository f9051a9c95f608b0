"""Checks of the monitoring services, with real Prometheus, Alertmanager and blackbox_exporter."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.alerts.secret import load_or_create
from controller.doctor.config_files import ConfiguredService, check_files, configured_services
from controller.doctor.finding import FindingSeverity, NotCheckedError
from controller.doctor.services import (
    check_configuration,
    check_dashboards,
    check_services,
    is_unit_starting,
    judge_service,
)
from controller.master.services import MonitoredService, ServiceDownError, ServiceStatus
from controller.state.model import RaspStatus
from tests.controller.state.test_prometheus import http_server_returning
from tests.helpers.waiting import free_port, is_reachable, wait_until
from tools.programs import find

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class MonitoringServices:
    """Running services that use the files in a folder."""

    folder: Path
    prometheus: str
    alertmanager: str
    blackbox: str
    processes: dict[str, "subprocess.Popen[bytes]"]

    def reload(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGHUP)


@contextmanager
def running_services(folder: Path) -> Iterator[MonitoringServices]:
    """Run the services with PiRack's files until the end of the block."""
    shutil.copytree(ROOT / "prometheus", folder, ignore=shutil.ignore_patterns("tests", "targets"))
    (folder / "targets").mkdir()
    load_or_create(folder / "secrets" / "alerts")
    names = ("prometheus", "alertmanager", "blackbox")
    addresses = {name: f"127.0.0.1:{free_port()}" for name in names}
    options = {
        "prometheus": [
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={addresses['prometheus']}",
        ],
        "alertmanager": [
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={addresses['alertmanager']}",
            "--cluster.listen-address=",
        ],
        "blackbox": [
            f"--config.file={folder}/blackbox.yml",
            f"--web.listen-address={addresses['blackbox']}",
        ],
    }
    ready_urls = {name: f"http://{address}/-/ready" for name, address in addresses.items()}
    ready_urls["blackbox"] = f"http://{addresses['blackbox']}/-/healthy"
    programs = {name: find(name.replace("blackbox", "blackbox_exporter")) for name in names}
    with ExitStack() as stack:
        processes = {}
        for name, program in programs.items():
            process = subprocess.Popen(
                [*program.command, *options[name]],
                env=program.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes[name] = process
        for name, process in processes.items():
            wait_until(lambda: process.poll() is not None or is_reachable(ready_urls[name]))  # noqa: B023
            assert process.poll() is None, f"{name} has ended"
        yield MonitoringServices(
            folder, f"http://{addresses['prometheus']}", addresses["alertmanager"],
            addresses["blackbox"], processes,
        )  # fmt: skip


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoringServices]:
    with running_services(tmp_path_factory.mktemp("services") / "prometheus") as services:
        yield services


@pytest.fixture
def configured(
    services: MonitoringServices, monkeypatch: pytest.MonkeyPatch
) -> list[ConfiguredService]:
    """The services, whose programs that check files are on the PATH."""
    programs = [find(name) for name in ("promtool", "amtool", "blackbox_exporter")]
    folders = [str(program.path.parent) for program in programs]
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
    return configured_services(services.prometheus, services.alertmanager, services.blackbox, {})


@pytest.mark.process
def test_changed_file_is_found_until_it_is_read(
    services: MonitoringServices, configured: list[ConfiguredService]
) -> None:
    assert check_files(configured) == []
    thresholds = services.folder / "rules" / "thresholds.yml"
    thresholds.write_text(f"{thresholds.read_text()}# changed\n")
    [finding] = check_files(configured)
    assert finding.problem == f"{thresholds} was changed after Prometheus read it"
    assert finding.fix == (
        f"`sudo promtool check config {services.folder}/prometheus.yml`, then"
        " `sudo systemctl reload prometheus`"
    )
    services.reload("prometheus")
    wait_until(lambda: check_files(configured) == [])


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "file", "valid", "invalid", "problem"),
    [
        (
            "prometheus",
            "rules/thresholds.yml",
            "expr: vector(",
            "expr: vectr(",
            "parse error: unknown function with name …",
        ),
        (
            "alertmanager",
            "alertmanager.yml",
            "group_wait: 30s",
            "group_wait: secret-value",
            "duration string: …",
        ),
        ("blackbox", "blackbox.yml", "timeout: 3s", "timeoutt: 3s", "field timeoutt not found"),
    ],
)
def test_invalid_file_is_found_until_it_is_corrected(
    services: MonitoringServices,
    configured: list[ConfiguredService],
    name: str,
    file: str,
    valid: str,
    invalid: str,
    problem: str,
) -> None:
    path = services.folder / file
    text = path.read_text()
    path.write_text(text.replace(valid, invalid, 1))
    [finding] = check_files(configured)
    assert finding.severity is FindingSeverity.ERROR
    assert f"does not accept {path}: " in finding.problem
    assert problem in finding.problem
    assert "secret" not in finding.problem
    assert re.fullmatch(
        r"correct what `sudo .+` reports, then run `sudo systemctl reload .+`", finding.fix
    )
    os.utime(path, (0, 0))  # the service itself reports that it rejected the file
    services.reload(name)
    wait_until(lambda: check_files(configured) != [])
    path.write_text(text)
    services.reload(name)
    wait_until(lambda: check_files(configured) == [])


@pytest.mark.process
def test_prometheus_with_other_files_is_found_until_it_uses_those_of_pirack(
    services: MonitoringServices,
) -> None:
    assert check_configuration(services.prometheus) == []
    configuration = services.folder / "prometheus.yml"
    valid = configuration.read_text()
    configuration.write_text("scrape_configs: []\n")
    services.reload("prometheus")
    wait_until(lambda: check_configuration(services.prometheus) != [])
    [finding] = check_configuration(services.prometheus)
    assert "lacks job rasp, job ping, job controller, rule rack_stack_slot" in finding.problem
    assert finding.fix.startswith("`sudo python3 -m deploy.install_master` makes Prometheus")
    configuration.write_text(valid)
    services.reload("prometheus")
    wait_until(lambda: check_configuration(services.prometheus) == [])


def service(name: str, *answers: str | None) -> MonitoredService:
    """Return a service that is down for each None, and then has these versions."""
    remaining = list(answers)

    def fetch_version() -> str:
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if answer is None:
            raise ServiceDownError(f"{name} cannot be reached")
        return answer

    return MonitoredService(name, "http://127.0.0.1:1", fetch_version)


def test_service_that_is_down_is_found_until_it_is_restarted() -> None:
    [finding] = check_services([service("prometheus", None)], is_starting=lambda _: False)
    assert finding.problem == "prometheus cannot be reached"
    assert finding.fix.startswith("`sudo systemctl restart prometheus`")
    assert check_services([service("prometheus", "2.42.0")]) == []


def test_service_that_is_starting_gets_half_a_minute() -> None:
    waits: list[float] = []
    starting = service("blackbox", None, None, "0.23.0")
    assert check_services([starting], is_starting=lambda _: True, sleep=waits.append) == []
    assert sum(waits) == 2.0
    down = service("blackbox", None)
    assert len(check_services([down], is_starting=lambda _: True, sleep=waits.append)) == 1
    assert 30 < sum(waits) < 35


@pytest.mark.process
@pytest.mark.parametrize(
    ("state", "age", "is_starting"),
    [("activating", 0, True), ("active", 5, True), ("active", 50, False), ("failed", 5, False)],
)
def test_systemd_reports_whether_a_unit_has_just_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, age: int, is_starting: bool
) -> None:
    started_at = int((time.clock_gettime(time.CLOCK_MONOTONIC) - age) * 1e6)
    program = tmp_path / "systemctl"
    program.write_text(
        f"#!/bin/sh\necho ActiveState={state}\necho ActiveEnterTimestampMonotonic={started_at}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert is_unit_starting("prometheus") is is_starting


@pytest.mark.parametrize(
    ("name", "version", "severity"),
    [
        ("prometheus", "2.24.1+ds", "warning"),
        ("prometheus", "2.42.0+ds", ""),
        ("prometheus", "3.5.3", ""),
        ("alertmanager", "0.21.0", "warning"),
        ("blackbox", "0.23.0", ""),
        ("grafana", "10.4.2", "warning"),
        ("grafana", "v13.0.1", ""),
        ("grafana", None, "not_checked"),
    ],
)
def test_version_older_than_the_tested_ones_is_found(
    name: str, version: str | None, severity: str
) -> None:
    findings = judge_service(ServiceStatus(name, "http://x", RaspStatus.UP, version))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_grafana_without_dashboards_is_found_until_they_are_provisioned() -> None:
    with http_server_returning(200, b'[{"uid": "other"}]') as url:
        [finding] = check_dashboards(url)
    assert "`sudo systemctl restart grafana-server`" in finding.fix
    with http_server_returning(200, b'[{"uid": "pirack-rack"}]') as url:
        assert check_dashboards(url) == []
    with (
        http_server_returning(401, b"{}") as url,
        pytest.raises(NotCheckedError, match="HTTP 401"),
    ):
        check_dashboards(url)


def test_prometheus_that_does_not_respond_is_not_checked() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NotCheckedError, match="sends no valid response"):
        check_configuration(url)
    with http_server_returning(200, b'{"data": 7}') as url:
        with pytest.raises(NotCheckedError, match="is not a Prometheus"):
            check_configuration(url)
        with pytest.raises(NotCheckedError, match="is not a Prometheus"):
            check_files(configured_services(url, "127.0.0.1:1", "127.0.0.1:1", {}))
