"""The list of all checks."""

import re
from pathlib import Path

import pytest

from controller.__main__ import controller
from controller.doctor.checks import DoctorSources, all_checks
from controller.doctor.examination import Examiner
from controller.options import ControllerOptions
from tests.controller.fakes import LOOPBACK_RACK, FakeRackState
from tests.helpers.waiting import free_port

PAGE = Path("docs/reference/doctor.md").read_text(encoding="utf-8")


def doctor_sources(folder: Path, *options: str) -> DoctorSources:
    """Return the sources of a master whose services do not run, on this machine."""
    address = f"127.0.0.1:{free_port()}"
    services = ("--prometheus", f"http://{address}", "--alertmanager", address)
    context = controller.make_context(
        "controller", [*services, "--blackbox", address, "--db", f"{folder}/pirack.db", *options]
    )
    return DoctorSources(
        rack=LOOPBACK_RACK,
        options=ControllerOptions(**context.params),
        state=FakeRackState(LOOPBACK_RACK).read,
        rasp_count=lambda: 48,
        newest_backup=lambda: 100.0,
        services=[],
        headers={},
        now=lambda: 200.0,
    )


def test_documented_checks_are_the_existing_checks(tmp_path: Path) -> None:
    names = [check.name for check in all_checks(doctor_sources(tmp_path, "--grafana", "http://g"))]
    table = PAGE.partition("<!-- checks:")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == names
    assert len(set(names)) == len(names)


def test_dashboards_are_checked_only_with_grafana(tmp_path: Path) -> None:
    names = [check.name for check in all_checks(doctor_sources(tmp_path))]
    assert "grafana_dashboards" not in names


@pytest.mark.process
def test_virtual_rack_is_never_reported_as_a_checked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "virtual_rack")
    report = Examiner(
        all_checks(doctor_sources(tmp_path, "--dhcp-server", "auto-reload"))
    ).examine()
    not_checked = {each.check for each in report.findings if each.severity == "not_checked"}
    assert not_checked >= {"gpio_permissions", "gpio_persistence", "relay_holder", "gpio_pins"}
    assert not_checked >= {"dhcp_server", "prometheus_configuration", "configuration_files"}
    found = {each.check for each in report.findings}
    assert not found & {"backup", "services", "certificates", "relay_wiring"}
    assert not [each for each in report.findings if each.problem == "the check failed"]
