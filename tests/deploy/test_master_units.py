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
from rack.gpio.client import SOCKET
from tests.deploy.units import exec_start
from tests.helpers.click_commands import parse_command
from tests.helpers.waiting import TIMEOUT_SECONDS
from tools.programs import find

pytestmark = pytest.mark.process

FILES = Path(__file__).parents[2] / "deploy" / "master"
UNIT = FILES / "pirack-controller.service"
RELAYS_UNIT = FILES / "pirack-relays.service"
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


each_unit = pytest.mark.parametrize("name", [UNIT.name, RELAYS_UNIT.name])


@pytest.fixture
def unit(tmp_path: Path, name: str) -> Path:
    """Return a unit, next to the other one, with an existing program."""
    for path in (UNIT, RELAYS_UNIT):
        (tmp_path / path.name).write_text(path.read_text().replace(PYTHON, sys.executable))
    return tmp_path / name


@each_unit
def test_unit_is_valid(unit: Path) -> None:
    completed = systemd_analyze("verify", "--man=no", unit)
    messages = [line for line in completed.stderr.splitlines() if "pirack" in line]
    assert (completed.returncode, messages) == (0, [])


@each_unit
def test_unit_limits_privileges(unit: Path) -> None:
    completed = systemd_analyze("security", "--offline=true", "--threshold=20", unit)
    assert completed.returncode == 0, completed.stdout


def test_holder_starts_early_and_controller_after_it_without_the_network() -> None:
    assert exec_start(RELAYS_UNIT.read_text()) == [PYTHON, "-I", "-m", "rack.gpio"]
    assert "DefaultDependencies=no\n" in RELAYS_UNIT.read_text()
    ordering = re.findall(r"^(?:After|Wants|Requires)=(.+)$", UNIT.read_text(), re.MULTILINE)
    assert ordering == [RELAYS_UNIT.name, RELAYS_UNIT.name]


@each_unit
def test_unit_has_priority_while_the_master_boots(unit: Path) -> None:
    assert "StartupCPUWeight=10000\n" in unit.read_text()


@each_unit
def test_unit_is_restarted_however_often_it_ends(unit: Path) -> None:
    """A failed holder would release the pins, and a failed controller would return no power."""
    for line in ("StartLimitIntervalSec=0", "Restart=always"):
        assert f"{line}\n" in unit.read_text()


def test_systemd_stores_the_pins_while_the_holder_restarts() -> None:
    assert "FileDescriptorStoreMax=64\n" in RELAYS_UNIT.read_text()


def test_only_the_holder_has_access_to_devices() -> None:
    devices = [
        re.findall(r"^(DeviceAllow|DevicePolicy)=(.+)$", unit.read_text(), re.MULTILINE)
        for unit in (UNIT, RELAYS_UNIT)
    ]
    closed, allowed = ("DevicePolicy", "closed"), ("DeviceAllow", "char-gpiochip rw")
    assert devices == [[closed], [closed, allowed]]


def test_socket_of_the_holder_is_in_its_runtime_folder() -> None:
    assert f"RuntimeDirectory={SOCKET.parent.name}\n" in RELAYS_UNIT.read_text()
    assert SOCKET.parent.parent == Path("/run")


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


def test_udev_rule_gives_gpio_chips_to_the_group_gpio() -> None:
    rules = (FILES / install_master.GPIO_RULE).read_text().splitlines()
    [rule] = [line for line in rules if not line.startswith("#")]
    matches, assignments = (
        {'SUBSYSTEM=="gpio"', 'KERNEL=="gpiochip*"'},
        {'GROUP="gpio"', 'MODE="0660"'},
    )
    assert set(rule.split(", ")) == matches | assignments
