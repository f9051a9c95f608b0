"""Backup and restore as in docs/how-to/operations.md."""

import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controller.audit import Audit, AuditEvent
from controller.auth.roles import Role
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from rack.database import Database
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port

pytestmark = pytest.mark.process

PAGE = Path("docs/how-to/operations.md").read_text(encoding="utf-8")
EVENT_COUNT = 200


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    with running_rack(tmp_path) as running:
        yield running


def run_documented(rack_process: RackProcess, command: str) -> subprocess.CompletedProcess[str]:
    """Run a documented command of `pirack-controller` for this rack."""
    lines = set(re.findall(rf"^sudo pirack-controller ({command} .+)$", PAGE, re.MULTILINE))
    [line] = lines
    return subprocess.run(
        [
            *(sys.executable, "-m", "controller", "--rack", str(rack_process.layout_path)),
            *("--db", str(rack_process.state_folder / "pirack.db")),
            *("--dhcpd-conf", str(rack_process.folder / "dhcpd.conf"), *shlex.split(line)),
        ],
        cwd=rack_process.folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def count_events(controller: ControllerProcess, secret: str) -> int:
    response = requests.get(
        f"{controller.url}/api/v1.0/audit",
        params={"q": "tests", "limit": "500"},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=TIMEOUT_SECONDS,
    )
    assert response.ok, response.text
    return len(response.json())


def test_backup_during_writes_can_be_restored(rack_process: RackProcess) -> None:
    controller = rack_process.start_controller()
    dhcpd_conf = rack_process.folder / "dhcpd.conf"
    dhcpd_conf.write_bytes(b"# m\xfcller\n")
    database = Database(rack_process.state_folder / "pirack.db")
    secret = Tokens(database).add("keeper", Role.OPERATOR)
    rasps = controller.get("rasps")
    users = [user.name for user in Users(database).all()]
    half_written = threading.Event()

    def write() -> None:
        audit = Audit(database)
        for number in range(EVENT_COUNT):
            audit.record(AuditEvent("tests", "", "try", str(number), "ok"))
            if number == EVENT_COUNT // 2:
                half_written.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert half_written.wait(TIMEOUT_SECONDS)
    completed = run_documented(rack_process, "backup")
    assert (completed.returncode, completed.stderr) == (0, "")
    writer.join()
    assert count_events(controller, secret) == EVENT_COUNT
    archive = rack_process.folder / completed.stdout.split(" to ")[1].partition(". ")[0]
    assert archive.stat().st_mode & 0o777 == 0o600
    completed = run_documented(rack_process, "restore")
    assert completed.returncode == 2
    assert "another controller (process" in completed.stderr
    assert controller.stop(15) == 0
    (rack_process.state_folder / "pirack.db").unlink()
    dhcpd_conf.unlink()
    completed = run_documented(rack_process, "restore")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert dhcpd_conf.read_bytes() == b"# m\xfcller\n"
    restored = rack_process.start_controller()
    assert restored.get("rasps") == rasps
    restored_users = Users(Database(rack_process.state_folder / "pirack.db")).all()
    assert [user.name for user in restored_users] == users
    assert EVENT_COUNT // 2 < count_events(restored, secret) <= EVENT_COUNT


def test_lost_database_can_be_replaced_by_an_empty_one(
    rack_process: RackProcess, tmp_path: Path
) -> None:
    rack_process.start_controller().stop(15)
    (rack_process.state_folder / "pirack.db").unlink()
    refused = rack_process.run_controller(free_port())
    assert "the database was lost: the file is missing" in refused.stderr
    lost = tmp_path / "lost"
    lost.mkdir()
    match = re.search(r"^sudo sh -c '(mv .+)'$", PAGE, re.MULTILINE)
    assert match is not None
    command = match[1].replace("/var/lib/pirack", str(rack_process.state_folder))
    command = command.replace("/root/pirack-lost", str(lost))
    subprocess.run(["sh", "-c", command], check=True, timeout=TIMEOUT_SECONDS)
    assert (lost / "pirack.database-id").exists()
    assert rack_process.start_controller().get("rasps") != []
