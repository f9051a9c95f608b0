"""The master itself: what it reads, and what it says of services that it cannot ask."""

from pathlib import Path

import pytest

from controller.master.clock import is_time_synchronized
from controller.master.info import (
    MasterInfo,
    decode_conditions,
    grafana_service,
    metrics_service,
    read_throttled,
    unit_service,
)
from controller.state.model import RaspStatus
from tests.controller.state.test_prometheus import http_server_returning
from tests.helpers.waiting import free_port


def test_the_firmware_tells_of_now_and_of_the_time_since_boot(tmp_path: Path) -> None:
    folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("50005\n")
    bits = read_throttled(tmp_path)
    assert decode_conditions(bits) == ["under_voltage", "throttled"]
    assert decode_conditions(bits, 16) == ["under_voltage", "throttled"]
    (folder / "get_throttled").write_text("80000\n")
    assert decode_conditions(read_throttled(tmp_path)) == []
    assert decode_conditions(read_throttled(tmp_path), 16) == ["soft_temperature_limit"]


@pytest.mark.parametrize("text", [None, "", "what?"])
def test_without_such_a_firmware_nobody_can_tell(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        folder = tmp_path / "sys/devices/platform/soc/soc:firmware"
        folder.mkdir(parents=True)
        (folder / "get_throttled").write_text(text)
    assert decode_conditions(read_throttled(tmp_path)) is None


def test_the_kernel_says_whether_its_clock_is_synchronised() -> None:
    assert is_time_synchronized() in {True, False, None}


def test_services_that_do_not_answer_are_down_and_say_so(tmp_path: Path) -> None:
    away = f"127.0.0.1:{free_port()}"
    services = [metrics_service("alertmanager", away), grafana_service(f"http://{away}/")]
    answer = MasterInfo(tmp_path, services).read()
    assert [service.state for service in answer.services] == [RaspStatus.DOWN, RaspStatus.DOWN]
    assert answer.services[0].reason == f"alertmanager at http://{away} cannot be reached"
    assert answer.services[1].reason == f"grafana at http://{away} cannot be reached"


def test_grafana_tells_its_version(tmp_path: Path) -> None:
    with http_server_returning(200, b'{"database": "ok", "version": "11.6.0"}') as url:
        [answer] = MasterInfo(tmp_path, [grafana_service(url)]).read().services
    assert (answer.name, answer.state, answer.version) == ("grafana", RaspStatus.UP, "11.6.0")


@pytest.mark.parametrize("body", [b"[]", b'{"version": 7}'])
def test_a_grafana_that_tells_no_version_is_up_all_the_same(tmp_path: Path, body: bytes) -> None:
    with http_server_returning(200, body) as url:
        [answer] = MasterInfo(tmp_path, [grafana_service(url)]).read().services
    assert (answer.state, answer.version) == (RaspStatus.UP, None)


def test_a_unit_that_systemd_does_not_have_is_unknown_and_not_down(tmp_path: Path) -> None:
    service = unit_service("dhcpd", "pirack-no-such-unit.service")
    [answer] = MasterInfo(tmp_path, [service]).read().services
    assert answer.state == RaspStatus.UNKNOWN
    assert answer.reason == "systemd on this machine has no unit pirack-no-such-unit.service"


@pytest.mark.parametrize(
    ("load", "active", "state", "version"),
    [
        ("loaded", "active", RaspStatus.UP, "4.4.3-P1"),
        ("loaded", "failed", RaspStatus.DOWN, None),
        ("not-found", "inactive", RaspStatus.UNKNOWN, None),
    ],
)
def test_a_unit_is_told_with_its_state_and_the_programs_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: str,
    active: str,
    state: RaspStatus,
    version: str | None,
) -> None:
    for name, says in {
        "systemctl": f"LoadState={load}\nActiveState={active}",
        "dhcpd": "isc-dhcpd-4.4.3-P1",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nprintf '{says}\\n' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    [answer] = MasterInfo(tmp_path, [unit_service("dhcpd", "isc-dhcp-server")]).read().services
    assert (answer.state, answer.version) == (state, version)


def test_the_master_tells_how_busy_it_is(tmp_path: Path) -> None:
    answer = MasterInfo(tmp_path, []).read()
    assert answer.cores >= 1
    assert 0 <= answer.cpu_used_ratio <= 1
    assert 0 < answer.memory_available_bytes < answer.memory_total_bytes
