"""Backup and restore as in docs/how-to/operations.md."""

import re
import shlex
import subprocess
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
from rack.database_mark import DatabaseMark
from tests.controller.rack_process import ControllerProcess, RackProcess, running_rack
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port
from tools.programs import find

pytestmark = pytest.mark.process

PAGE = Path("docs/how-to/operations.md").read_text(encoding="utf-8")
STATE_PREFIX = "/var/lib/pirack/"
EVENT_COUNT = 200


def documented_command(text: str) -> list[str]:
    """Find the command that contains `text` on the page. Return it without `sudo`."""
    [line] = [line for line in PAGE.splitlines() if text in line and not line.startswith("|")]
    return shlex.split(line.removeprefix("sudo ").removeprefix("-u pirack "))


@pytest.fixture
def rack_process(tmp_path: Path) -> Iterator[RackProcess]:
    with running_rack(tmp_path) as running:
        yield running


def run_backup(state: Path) -> None:
    """Run the documented backup command with `state` in place of /var/lib/pirack."""
    program, *arguments = documented_command("sqlite3 -cmd")
    assert program == "sqlite3"
    sqlite = find(program)
    arguments = [argument.replace(STATE_PREFIX, f"{state}/") for argument in arguments]
    subprocess.run(
        [sqlite.path, *arguments], env=sqlite.environment, check=True, timeout=TIMEOUT_SECONDS
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


def test_backup_during_writes_can_be_restored(
    rack_process: RackProcess,
) -> None:
    controller = rack_process.start_controller()
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
    run_backup(rack_process.state_folder)
    writer.join()
    assert count_events(controller, secret) == EVENT_COUNT
    assert controller.stop(15) == 0
    for line in (r"sudo rm -f (.+)", r"sudo mv (.+) (.+)"):
        match = re.search(f"^{line}$", PAGE, re.MULTILINE)
        assert match is not None
        paths = [
            rack_process.state_folder / Path(path).name
            for group in match.groups()
            for path in group.split()
        ]
        if "mv" in line:
            paths[0].replace(paths[1])
        else:
            for path in paths:
                path.unlink(missing_ok=True)
    restored = rack_process.start_controller()
    assert restored.get("rasps") == rasps
    assert [
        user.name for user in Users(Database(rack_process.state_folder / "pirack.db")).all()
    ] == users
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
    command = documented_command("mv /var/lib/pirack/pirack.d*")
    paths = {STATE_PREFIX: f"{rack_process.state_folder}/", "/root/pirack-lost": str(lost)}
    for documented, path in paths.items():
        command = [argument.replace(documented, path) for argument in command]
    subprocess.run(command, check=True, timeout=TIMEOUT_SECONDS)
    assert (lost / "pirack.database-id").exists()
    assert rack_process.start_controller().get("rasps") != []


def test_documented_archive_excludes_database_and_contains_its_mark() -> None:
    command = documented_command("tar -czf")
    archived = command[command.index("-C") + 2 :]
    assert "--exclude=var/lib/pirack/pirack.db*" in archived
    mark = DatabaseMark(Path("/var/lib/pirack/pirack.db")).path
    assert not mark.match("var/lib/pirack/pirack.db*")
    assert {"etc/pirack", "etc/dhcp/pirack", "var/lib/pirack"} <= set(archived)
    target = documented_command("sqlite3 -cmd")[-1].removeprefix(".backup ")
    assert not re.match(r"/var/lib/pirack/pirack\.db", target)
