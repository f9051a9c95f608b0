"""What is put beside systemd, polkit and the kernel on a master, as these read it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from controller.command_line.arguments import build_parser as controller_parser
from deploy import install_master
from tests.deploy.units import exec_start
from tools.programs import find

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
        pytest.skip("no systemd-analyze here: install systemd")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The controller's unit, with a program that is there."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(PYTHON, sys.executable))
    return path


def test_systemd_takes_the_controllers_unit(unit: Path) -> None:
    ended = systemd_analyze("verify", "--man=no", unit)
    about = [line for line in ended.stderr.splitlines() if "pirack" in line]
    assert (ended.returncode, about) == (0, [])


def test_systemd_finds_little_that_the_controller_could_harm(unit: Path) -> None:
    ended = systemd_analyze("security", "--offline=true", "--threshold=20", unit)
    assert ended.returncode == 0, ended.stdout


def test_the_controller_knows_its_command_line() -> None:
    words = exec_start(UNIT.read_text())
    assert words[:4] == [PYTHON, "-I", "-m", "controller"]
    assert words[-2:] == ["--listen=${LISTEN}", "$OPTIONS"]
    options = controller_parser().parse_args(words[4:-2])
    assert options.db == install_master.STATE / "pirack.db"
    assert options.targets == install_master.STATE / "targets"
    assert options.alerts_secret == install_master.STATE / "alerts" / "secret"
    assert options.rack.parent == options.aliases.parent == install_master.SETTINGS


def test_nothing_is_given_to_the_controller_beyond_its_user() -> None:
    text = UNIT.read_text()
    assert f"User={install_master.USER}\n" in text
    for line in ("CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes"):
        assert f"{line}\n" in text
    assert re.findall(r"^ReadWritePaths=-?(.+)$", text, re.MULTILINE) == ["/etc/dhcp/pirack"]
    assert "LISTEN=127.0.0.1:8080" in text


@each_program
def test_systemd_takes_debians_units_with_ours_dropped_in(unit: str, tmp_path: Path) -> None:
    name, path = PROGRAMS[unit]
    program = find(name).path
    debians = program.parents[2] / "lib" / "systemd" / "system" / f"{unit}.service"
    if not debians.exists():
        debians = Path("/lib/systemd/system") / debians.name
    own = (FILES / f"{unit}.conf").read_text()
    assert path in own
    # EnvironmentFile is not for this machine; the rest is Debian's to the letter.
    text = debians.read_text().replace("EnvironmentFile=", "EnvironmentFile=-")
    (tmp_path / debians.name).write_text(text.replace(path, str(program)))
    folder = tmp_path / f"{debians.name}.d"
    folder.mkdir()
    (folder / "pirack.conf").write_text(own.replace(path, str(program)))
    ended = systemd_analyze("verify", "--man=no", tmp_path / debians.name)
    about = [line for line in ended.stderr.splitlines() if unit in line]
    assert (ended.returncode, about) == (0, [])


@each_program
def test_each_program_knows_its_flags_and_listens_on_loopback(unit: str) -> None:
    name, path = PROGRAMS[unit]
    words = exec_start((FILES / f"{unit}.conf").read_text())
    assert words[0] == path
    told = subprocess.run(
        [find(name).path, "--help"], env=find(name).environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=30, check=False,
    ).stdout  # fmt: skip
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
    assert flags.keys() <= set(re.findall(r"--(?:\[no-\])?([\w.-]+)", told))
    assert flags["web.listen-address"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"user": "somebody"}, False),
        ({"unit": "ssh.service"}, False),
        ({"verb": "stop"}, False),
        ({"id": "org.freedesktop.systemd1.reload-daemon"}, False),
    ],
)
def test_the_controller_may_restart_the_dhcp_server_and_nothing_else(
    browser: Browser, change: dict[str, str], allowed: bool
) -> None:
    """polkit's rules are JavaScript; a browser stands in for polkitd."""
    asked = {
        "id": "org.freedesktop.systemd1.manage-units",
        "unit": "isc-dhcp-server.service",
        "verb": "restart",
        "user": install_master.USER,
    } | change
    page = browser.new_page()
    answer = page.evaluate(
        """([rules, asked]) => {
            let rule;
            const polkit = { Result: { YES: "yes" }, addRule: given => { rule = given; } };
            new Function("polkit", rules)(polkit);
            const action = { id: asked.id, lookup: name => asked[name] };
            return rule(action, { user: asked.user }) ?? null;
        }""",
        [(FILES / "50-pirack.rules").read_text(), asked],
    )
    page.close()
    assert answer == ("yes" if allowed else None)
