"""docs/operations.md: a backup is made while the controller writes, and is all that was lost."""

import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from controller.audit import Audit, Event
from controller.roles import Role
from controller.tokens import Tokens
from controller.users import Users
from rack.database import Database
from tests.controller.room import Controller, Room, a_room
from virtual_rack.programs import find

PAGE = Path("docs/operations.md").read_text(encoding="utf-8")
KEPT = "/var/lib/pirack/"
EVENTS = 200


def command(text: str) -> list[str]:
    """The one line of the page that has this in it, as it is run by root."""
    [line] = [line for line in PAGE.splitlines() if text in line and not line.startswith("|")]
    return shlex.split(line.removeprefix("sudo ").removeprefix("-u pirack "))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with a_room(tmp_path) as room:
        yield room


def backup(state: Path) -> None:
    """Run the page's line, on another folder than a master's."""
    program, *words = command("sqlite3 -cmd")
    assert program == "sqlite3"
    sqlite = find(program)
    here = [word.replace(KEPT, f"{state}/") for word in words]
    subprocess.run([sqlite.path, *here], env=sqlite.env, check=True, timeout=60)


def count(controller: Controller, secret: str) -> int:
    answer = requests.get(
        f"{controller.url}/api/v1.0/audit",
        params={"q": "tests", "limit": "500"},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=10,
    )
    assert answer.ok, answer.text
    return len(answer.json())


def test_a_backup_made_while_the_controller_writes_can_be_put_in_its_place(room: Room) -> None:
    controller = room.start_controller()
    database = Database(room.state / "pirack.db")
    secret = Tokens(database).add("keeper", Role.OPERATOR)
    rasps = controller.get("rasps")
    users = [user.name for user in Users(database).all()]
    half = threading.Event()

    def write() -> None:
        audit = Audit(database)
        for number in range(EVENTS):
            audit.record(Event("tests", "", "try", str(number), "ok"))
            if number == EVENTS // 2:
                half.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert half.wait(30)
    backup(room.state)
    writer.join()
    assert count(controller, secret) == EVENTS
    assert controller.end(15) == 0
    for line in (r"sudo rm -f (.+)", r"sudo mv (.+) (.+)"):
        found = re.search(f"^{line}$", PAGE, re.MULTILINE)
        assert found is not None
        paths = [room.state / Path(path).name for group in found.groups() for path in group.split()]
        if "mv" in line:
            paths[0].replace(paths[1])
        else:
            for path in paths:
                path.unlink(missing_ok=True)
    restored = room.start_controller()
    assert restored.get("rasps") == rasps
    assert [user.name for user in Users(Database(room.state / "pirack.db")).all()] == users
    assert EVENTS // 2 < count(restored, secret) <= EVENTS


def test_the_archive_has_all_that_cannot_be_made_anew_and_no_open_database() -> None:
    words = command("tar -czf")
    archived = words[words.index("-C") + 2 :]
    assert "--exclude=var/lib/pirack/pirack.db*" in archived
    assert {"etc/pirack", "etc/dhcp/pirack", "var/lib/pirack"} <= set(archived)
    target = command("sqlite3 -cmd")[-1].removeprefix(".backup ")
    assert not re.match(r"/var/lib/pirack/pirack\.db", target)
