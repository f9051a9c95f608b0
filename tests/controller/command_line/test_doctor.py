"""The command `python -m controller doctor`, which checks a master without a controller."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.alerts.secret import load_or_create
from rack.database import Database
from rack.inventory import Inventory
from rack.layout_file import load
from tests.controller.fakes import installed_rasps
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
NO_SERVICE = "127.0.0.1:1"

RunCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of a rack with two installed rasps and a secret."""
    layout = tmp_path / "rack.toml"
    layout.write_text(layout_text(1, network_prefix="127.77"))
    Inventory(Database(tmp_path / "pirack.db")).replace(installed_rasps(load(layout)).values())
    load_or_create(tmp_path / "alerts.secret")
    return tmp_path


@pytest.fixture
def run_command(folder: Path) -> RunCommand:
    def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "controller"),
                *("--rack", str(folder / "rack.toml"), "--db", str(folder / "pirack.db")),
                *("--dhcpd-conf", str(folder / "dhcpd.conf")),
                *("--prometheus", f"http://{NO_SERVICE}", "--dhcp-server", "auto-reload"),
                *("--dhcp-log", f"file:{folder}/dhcpd.log"),
                *("--alertmanager", NO_SERVICE, "--blackbox", NO_SERVICE, *arguments),
            ],
            cwd=ROOT,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    return run_command


def findings_of(completed: subprocess.CompletedProcess[str]) -> dict[str, list[Any]]:
    """Return the findings of each check."""
    assert (completed.returncode, completed.stderr) == (1, "")
    findings: dict[str, list[Any]] = {}
    for finding in json.loads(completed.stdout)["findings"]:
        findings.setdefault(finding["check"], []).append(finding)
    return findings


def test_doctor_changes_nothing_and_a_backup_ends_its_finding(
    folder: Path, run_command: RunCommand
) -> None:
    previous = {path: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db-shm"}
    findings = findings_of(run_command("doctor", "--json"))
    changed = {path: path.read_bytes() for path in folder.iterdir() if path in previous}
    assert changed == previous
    [finding] = findings["backup"]
    assert finding["problem"] == "there is no backup of this master"
    assert len(findings["services"]) == 3
    assert findings["relay_wiring"][0]["severity"] == "not_checked"
    assert findings["other_dhcp_servers"][0]["severity"] == "not_checked"
    assert findings["dhcp_server"][0]["severity"] == "not_checked"
    completed = run_command("backup", str(folder / "pirack-backup.tar.gz"))
    assert completed.returncode == 0, completed.stderr
    assert "backup" not in findings_of(run_command("doctor", "--json"))


def test_text_contains_problem_reason_and_fix(run_command: RunCommand) -> None:
    completed = run_command("doctor")
    assert completed.returncode == 1
    assert (
        "WARNING backup: there is no backup of this master\n"
        "  why: if the card of the master fails, users, tokens and the keys of the rasps are lost\n"
        "  fix: `sudo pirack-controller backup pirack-backup.tar.gz`"
    ) in completed.stdout


def test_lost_database_is_not_checked(folder: Path, run_command: RunCommand) -> None:
    (folder / "pirack.db").unlink()
    [finding] = findings_of(run_command("doctor", "--json"))["backup"]
    assert finding["severity"] == "not_checked"
    assert "the database was lost" in finding["problem"]
    assert not (folder / "pirack.db").exists()


def test_invalid_layout_is_rejected_with_status_2(folder: Path, run_command: RunCommand) -> None:
    (folder / "rack.toml").write_text("name = 7\n")
    completed = run_command("doctor")
    assert completed.returncode == 2
    assert completed.stderr.startswith("controller: ")
