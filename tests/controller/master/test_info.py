"""The state of the master and its services."""

import os
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from controller.__main__ import controller
from controller.master.clock import is_time_synchronized
from controller.master.info import MasterInfo, decode_conditions, read_throttled
from controller.master.metrics import register_metrics
from controller.master.services import (
    check_service,
    grafana_service,
    is_dhcp_server_active,
    metrics_service,
    monitored_services,
    unit_service,
)
from controller.options import ControllerOptions
from controller.state.model import RaspStatus
from tests.controller.state.test_prometheus import http_server_returning
from tests.helpers.click_commands import parse_command
from tests.helpers.waiting import free_port
from tests.rack.gpio.test_persistence import BCM2835, write_kernel_files


def test_decode_conditions_separates_now_and_since_boot(tmp_path: Path) -> None:
    folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("50005\n")
    bits = read_throttled(tmp_path)
    assert decode_conditions(bits) == ["under_voltage", "throttled"]
    assert decode_conditions(bits, 16) == ["under_voltage", "throttled"]
    (folder / "get_throttled").write_text("80000\n")
    assert decode_conditions(read_throttled(tmp_path)) == []
    assert decode_conditions(read_throttled(tmp_path), 16) == ["soft_temperature_limit"]


@pytest.mark.parametrize("text", [None, "", "text"])
def test_conditions_are_unknown_without_readable_firmware_file(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
        folder.mkdir(parents=True)
        (folder / "get_throttled").write_text(text)
    assert decode_conditions(read_throttled(tmp_path)) is None


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        ("Y", "stay set if pirack-relays is stopped"),
        ("N", "are reset if pirack-relays is stopped, and every relay goes to rest"),
    ],
)
def test_page_describes_what_the_kernel_does_with_the_pins(
    client: FlaskClient, tmp_path: Path, parameter: str, text: str
) -> None:
    assert "<dt>GPIO outputs</dt><dd>–</dd>" in client.get("/master").text
    write_kernel_files(tmp_path, BCM2835, pinctrl_bcm2835=parameter)
    assert f"<dt>GPIO outputs</dt><dd>{text}" in client.get("/master").text


def test_is_time_synchronized_returns_bool_or_none() -> None:
    assert is_time_synchronized() in {True, False, None}


def test_unreachable_services_are_down_with_reason(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    services = [metrics_service("alertmanager", address, {}), grafana_service(f"http://{address}/")]
    master = MasterInfo(tmp_path, services).read()
    assert [service.state for service in master.services] == [RaspStatus.DOWN, RaspStatus.DOWN]
    assert master.services[0].reason == f"alertmanager at http://{address} cannot be reached"
    assert master.services[1].reason == f"grafana at http://{address} cannot be reached"


def test_grafana_service_reads_version() -> None:
    with http_server_returning(200, b'{"database": "ok", "version": "11.6.0"}') as url:
        status = check_service(grafana_service(url))
    assert (status.name, status.state, status.version) == ("grafana", RaspStatus.UP, "11.6.0")


@pytest.mark.parametrize("body", [b"[]", b'{"version": 7}'])
def test_grafana_without_version_is_up(body: bytes) -> None:
    with http_server_returning(200, body) as url:
        status = check_service(grafana_service(url))
    assert (status.state, status.version) == (RaspStatus.UP, None)


@pytest.mark.process
def test_missing_systemd_unit_is_unknown() -> None:
    status = check_service(unit_service("dhcpd", "pirack-no-such-unit.service"))
    assert status.state == RaspStatus.UNKNOWN
    assert status.reason == "systemd on this machine has no unit pirack-no-such-unit.service"


@pytest.mark.process
def test_unit_is_unknown_if_systemd_does_not_respond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\nexec sleep 1000\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    status = check_service(unit_service("dhcpd", "isc-dhcp-server"))
    assert status.state == RaspStatus.UNKNOWN
    assert status.reason == "systemctl did not report the state of unit isc-dhcp-server"


@pytest.mark.process
@pytest.mark.parametrize(
    ("load", "active", "state", "version"),
    [
        ("loaded", "active", RaspStatus.UP, "4.4.3-P1"),
        ("loaded", "failed", RaspStatus.DOWN, None),
        ("not-found", "inactive", RaspStatus.UNKNOWN, None),
    ],
)
def test_unit_service_reads_unit_state_and_program_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: str,
    active: str,
    state: RaspStatus,
    version: str | None,
) -> None:
    for name, output in {
        "systemctl": f"LoadState={load}\nActiveState={active}",
        "dhcpd": "isc-dhcpd-4.4.3-P1",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '{output}\\n' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    status = check_service(unit_service("dhcpd", "isc-dhcp-server"))
    assert (status.state, status.version) == (state, version)
    expected = {RaspStatus.UP: True, RaspStatus.DOWN: False}.get(state)
    assert is_dhcp_server_active("unit:isc-dhcp-server") is expected


@pytest.mark.parametrize(("is_up", "value"), [(True, 1.0), (False, 0.0), (None, None)])
def test_metric_of_the_dhcp_server_is_missing_while_its_state_is_unknown(
    tmp_path: Path, is_up: bool | None, value: float | None
) -> None:
    registry = CollectorRegistry()
    register_metrics(registry, tmp_path, lambda: is_up)
    assert registry.get_sample_value("pirack_dhcp_server_up") == value


def test_state_of_a_dhcp_server_that_is_no_unit_is_unknown() -> None:
    assert is_dhcp_server_active("auto-reload") is None


def test_read_returns_cpu_and_memory_usage(tmp_path: Path) -> None:
    master = MasterInfo(tmp_path, []).read()
    assert master.cores >= 1
    assert 0 <= master.cpu_used_ratio <= 1
    assert 0 < master.memory_available_bytes < master.memory_total_bytes


@pytest.mark.parametrize(
    ("option", "unit"),
    [("unit:my-dhcpd", "my-dhcpd"), ("auto-reload", "isc-dhcp-server")],
)
def test_dhcp_server_is_the_unit_in_the_option(option: str, unit: str) -> None:
    context = parse_command(controller, ["--dhcp-server", option])
    dhcpd = monitored_services(ControllerOptions(**context.params), {})[0]
    assert (dhcpd.name, dhcpd.url) == ("dhcpd", unit)
