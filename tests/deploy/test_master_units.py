"""Files for systemd, polkit and the kernel on a master."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from controller.__main__ import controller
from controller.alerts.secret import WEB_CONFIG
from controller.options import ControllerOptions
from deploy import install_master
from tests.deploy.units import exec_start
from tests.helpers.click_commands import parse_command
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find

pytestmark = pytest.mark.process

FILES = Path(__file__).parents[2] / "deploy" / "master"
UNIT = FILES / "pirack-controller.service"
PYTHON = "/opt/pirack/current/.venv/bin/python"
PROGRAMS = {
    "prometheus": ("prometheus", "/usr/bin/prometheus"),
    "prometheus-alertmanager": ("alertmanager", "/usr/bin/prometheus-alertmanager"),
    "prometheus-blackbox-exporter": (
        "blackbox_exporter",
        "/usr/bin/prometheus-blackbox-exporter",
    ),
}

each_program = pytest.mark.parametrize("unit", PROGRAMS)


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: install systemd")
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit of the controller with an existing program."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(PYTHON, sys.executable))
    return path


def test_unit_of_controller_is_valid(unit: Path) -> None:
    completed = systemd_analyze("verify", "--man=no", unit)
    messages = [line for line in completed.stderr.splitlines() if "pirack" in line]
    assert (completed.returncode, messages) == (0, [])


def test_unit_of_controller_limits_privileges(unit: Path) -> None:
    completed = systemd_analyze("security", "--offline=true", "--threshold=20", unit)
    assert completed.returncode == 0, completed.stdout


def test_unit_of_controller_sets_valid_options() -> None:
    words = exec_start(UNIT.read_text())
    assert words[:4] == [PYTHON, "-I", "-m", "controller"]
    assert words[-2:] == ["--listen=${LISTEN}", "$OPTIONS"]
    options = ControllerOptions(**parse_command(controller, words[4:-2]).params)
    assert options.db == install_master.STATE / "pirack.db"
    assert options.targets == install_master.STATE / "targets"
    assert options.alerts_secret == install_master.STATE / "alerts" / "secret"
    assert options.rack.parent == options.aliases.parent == install_master.SETTINGS


def test_controller_has_no_capabilities() -> None:
    text = UNIT.read_text()
    assert f"User={install_master.USER}\n" in text
    for line in ("CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes"):
        assert f"{line}\n" in text
    assert re.findall(r"^ReadWritePaths=-?(.+)$", text, re.MULTILINE) == ["/etc/dhcp/pirack"]
    assert "LISTEN=127.0.0.1:8080" in text


@each_program
def test_debian_units_with_drop_ins_are_valid(unit: str, tmp_path: Path) -> None:
    name, path = PROGRAMS[unit]
    program = find(name).path
    unit_path = program.parents[2] / "lib" / "systemd" / "system" / f"{unit}.service"
    if not unit_path.exists():
        unit_path = Path("/lib/systemd/system") / unit_path.name
    drop_in = (FILES / f"{unit}.conf").read_text()
    assert path in drop_in
    # The EnvironmentFile does not exist on this machine.
    text = unit_path.read_text().replace("EnvironmentFile=", "EnvironmentFile=-")
    (tmp_path / unit_path.name).write_text(text.replace(path, str(program)))
    folder = tmp_path / f"{unit_path.name}.d"
    folder.mkdir()
    (folder / "pirack.conf").write_text(drop_in.replace(path, str(program)))
    completed = systemd_analyze("verify", "--man=no", tmp_path / unit_path.name)
    messages = [line for line in completed.stderr.splitlines() if unit in line]
    assert (completed.returncode, messages) == (0, [])


@each_program
def test_pages_of_other_sites_cannot_use_a_service(unit: str) -> None:
    options = exec_start((FILES / f"{unit}.conf").read_text())
    secrets = install_master.SETTINGS / "prometheus" / "secrets"
    protection = f"--web.config.file={secrets / WEB_CONFIG}"
    assert ("--web.cors.origin=none" if unit == "prometheus" else protection) in options


@each_program
def test_drop_in_sets_valid_flags_and_loopback_address(unit: str) -> None:
    name, path = PROGRAMS[unit]
    words = exec_start((FILES / f"{unit}.conf").read_text())
    assert words[0] == path
    usage = subprocess.run(
        [find(name).path, "--help"], env=find(name).environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_SECONDS, check=False,
    ).stdout  # fmt: skip
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
    assert flags.keys() <= set(re.findall(r"--(?:\[no-\])?([\w.-]+)", usage))
    assert flags["web.listen-address"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"user": "alice"}, False),
        ({"unit": "ssh.service"}, False),
        ({"verb": "stop"}, False),
        ({"id": "org.freedesktop.systemd1.reload-daemon"}, False),
    ],
)
def test_polkit_allows_only_restart_of_dhcp_server(
    browser: Browser, change: dict[str, str], allowed: bool
) -> None:
    """A browser executes the rules, which are JavaScript."""
    request = {
        "id": "org.freedesktop.systemd1.manage-units",
        "unit": "isc-dhcp-server.service",
        "verb": "restart",
        "user": install_master.USER,
    } | change
    page = browser.new_page()
    decision = page.evaluate(
        """([rules, request]) => {
            let rule;
            const polkit = { Result: { YES: "yes" }, addRule: added => { rule = added; } };
            new Function("polkit", rules)(polkit);
            const action = { id: request.id, lookup: name => request[name] };
            return rule(action, { user: request.user }) ?? null;
        }""",
        [(FILES / "50-pirack.rules").read_text(), request],
    )
    page.close()
    assert decision == ("yes" if allowed else None)
