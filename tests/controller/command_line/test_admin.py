"""`python -m controller`, as somebody types it who looks after the rack."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import pytest

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.http_client import BrowserSession
from tests.controller.rack_process import RackProcess
from tests.helpers.waiting import free_port, wait_until

ROOT = Path(__file__).parents[3]
PASSWORD = "a password of mine"

RunCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "pirack.db"
    Database(path)
    return path


@pytest.fixture
def run_command(database: Path) -> RunCommand:
    def run_command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "controller", "--db", str(database), *words],
            cwd=ROOT,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return run_command


@pytest.fixture
def access(database: Path) -> AccessControl:
    return AccessControl(Database(database))


def stdout_of(process: subprocess.CompletedProcess[str]) -> str:
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def run_in_terminal(database: Path, command: list[str], *answers: str) -> tuple[int, str]:
    """Run a command at a terminal and answer its questions; return its status and all it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "--db", str(database), *command],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""

    def read() -> bool:
        nonlocal shown
        try:
            part = os.read(ours, 4096).decode()
        except OSError:  # the terminal's other end is closed
            part = ""
        shown += part
        return bool(part)

    for i, line in enumerate(answers):
        while shown.count(": ") <= i and read():
            pass
        os.write(ours, f"{line}\n".encode())
    while read():
        pass
    os.close(ours)
    return process.wait(30), shown


def test_a_password_is_asked_for_twice_and_never_shown(
    database: Path, access: AccessControl
) -> None:
    status, shown = run_in_terminal(
        database, ["user", "add", "alice", "--role", "operator"], PASSWORD, PASSWORD
    )
    assert status == 0, shown
    assert "alice may log in as operator." in shown
    assert PASSWORD not in shown
    assert access.users.verified_hash("alice", PASSWORD) is not None


def test_two_passwords_that_differ_change_nothing(database: Path, access: AccessControl) -> None:
    status, shown = run_in_terminal(
        database, ["user", "add", "alice", "--role", "viewer"], PASSWORD, "another one, sorry"
    )
    assert status == 2
    assert "the two passwords differ" in shown
    assert access.users.all() == []


def test_a_password_can_be_made_for_somebody(
    run_command: RunCommand, access: AccessControl
) -> None:
    shown = stdout_of(run_command("user", "add", "alice", "--role", "admin", "--generate"))
    password = shown.splitlines()[-1]
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", password)
    assert access.users.verified_hash("alice", password) is not None
    shown = stdout_of(run_command("user", "password", "alice", "--generate"))
    assert access.users.verified_hash("alice", password) is None
    assert access.users.verified_hash("alice", shown.splitlines()[-1]) is not None


def test_users_are_listed_and_removed(run_command: RunCommand, access: AccessControl) -> None:
    access.users.add("alice", Role.ADMIN, PASSWORD)
    access.users.add("bob", Role.VIEWER, PASSWORD)
    head, *rows = stdout_of(run_command("user", "list")).splitlines()
    assert head.split() == ["name", "role", "since"]
    assert [row.split()[:2] for row in rows] == [["alice", "admin"], ["bob", "viewer"]]
    assert (
        stdout_of(run_command("user", "remove", "bob"))
        == "bob is removed, and logged out everywhere.\n"
    )
    assert [user.name for user in access.users.all()] == ["alice"]


def test_a_token_is_shown_once_listed_by_how_it_begins_and_revoked(
    run_command: RunCommand, access: AccessControl
) -> None:
    shown = stdout_of(run_command("token", "add", "ci", "--role", "operator", "--expires", "30"))
    secret = shown.splitlines()[-1]
    found = access.tokens.authenticate(secret)
    assert found is not None
    assert found.expires_at is not None
    assert found.expires_at - found.created_at == 30 * 86400
    listed = stdout_of(run_command("token", "list"))
    assert secret not in listed
    assert f"ci    operator  {secret[:13]}…" in listed
    assert stdout_of(run_command("token", "revoke", "ci")) == "The token ci is void.\n"
    assert access.tokens.authenticate(secret) is None


def test_what_was_done_at_the_console_is_in_the_audit(
    run_command: RunCommand, access: AccessControl
) -> None:
    run_command("user", "add", "alice", "--role", "admin", "--generate")
    run_command("token", "add", "ci", "--role", "viewer")
    run_command("token", "revoke", "ci")
    lines = stdout_of(run_command("audit")).splitlines()[1:]
    whats = ["add user", "add token", "revoke token"]
    assert [next(what for what in whats if what in line) for line in lines] == whats
    assert all("console:" in line for line in lines)
    assert len(stdout_of(run_command("audit", "--newest", "1")).splitlines()) == 2


def test_what_came_over_the_network_does_not_move_the_cursor(
    run_command: RunCommand, access: AccessControl
) -> None:
    from controller.audit import AuditEvent  # noqa: PLC0415

    access.audit.record(AuditEvent("alice", "", "\x1b[2Jlog in\n", "", "refused"))
    assert "\\x1b[2Jlog in\\n" in stdout_of(run_command("audit"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["user", "add", "Alice!", "--role", "viewer", "--generate"], "'Alice!' is no name: take"),
        (["user", "add", "a" * 33, "--role", "viewer", "--generate"], "is no name"),
        (["user", "add", "a\nb", "--role", "viewer", "--generate"], r"'a\nb' is no name"),
        (["user", "add", "<script>", "--role", "viewer", "--generate"], "is no name"),
        (["user", "add", "anonymous", "--role", "viewer", "--generate"], "is no name"),
        (["user", "add", "alice", "--role", "viewer", "--generate"], "there is a user 'alice'"),
        (["user", "add", "bob", "--role", "viewer"], "no terminal to ask for the password at"),
        (["user", "remove", "nobody"], "no user 'nobody': there is alice"),
        (["user", "remove", "alice"], "'alice' is the last admin: add another one first"),
        (["user", "password", "nobody", "--generate"], "no user 'nobody': there is alice"),
        (["token", "revoke", "ci"], "no token 'ci': there is none"),
        (["token", "add", "", "--role", "viewer"], "'' is no name"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line(
    run_command: RunCommand, access: AccessControl, words: list[str], told: str
) -> None:
    access.users.add("alice", Role.ADMIN, PASSWORD)
    ended = run_command(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert [user.name for user in access.users.all()] == ["alice"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["user"], "required"),
        (["user", "add", "alice"], "--role"),
        (["user", "add", "alice", "--role", "god"], "invalid"),
        (["token", "add", "ci", "--role", "viewer", "--expires", "0"], "no number of days"),
        (["token", "add", "ci", "--role", "viewer", "--expires", "1e9"], "no number of days"),
        (["audit", "--newest", "-1"], "no number of events"),
        (["--anonymous", "operator"], "invalid choice"),
        (["--proxy", "proxy.example"], "is no IP address"),
    ],
)
def test_a_command_line_that_is_wrong_is_told(
    run_command: RunCommand, words: list[str], told: str
) -> None:
    ended = run_command(*words)
    assert ended.returncode == 2
    assert told in ended.stderr.splitlines()[-1]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "controller", "user", "list", "--db", str(tmp_path / "none.db")],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "none.db: there is no such file" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_first_start_makes_an_admin_and_shows_the_password_once(tmp_path: Path) -> None:
    room = RackProcess(tmp_path, contact="normally_closed")
    room.state_folder.mkdir()
    try:
        first = room.start_controller(pins={})
        wait_until(lambda: "It is not shown again." in first.log)
        said = re.search(r"Log in as admin with the password (\S+)", first.log)
        assert said is not None
        visitor = BrowserSession(first.url)
        assert visitor.log_in("admin", said[1]).status_code == 303
        first.stop(15)
        again = room.start_controller(pins={})
        assert again.log.count("The first start.") == 1
        assert again.log.count(said[1]) == 1
        visitor.url = again.url
        assert visitor.is_logged_in, "a session survives a restart"
    finally:
        room.close()


@pytest.fixture
def unreachable_rasp(database: Path) -> Rasp:
    """One rasp in the inventory, at whose address nobody answers."""
    rasp = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1"))
    Inventory(Database(database)).replace([rasp])
    return rasp


def test_the_masters_key_is_made_once_and_shown_as_rasps_want_it(
    database: Path, run_command: RunCommand
) -> None:
    first = run_command("ssh", "key")
    assert first.returncode == 0
    assert "id_ed25519 is made: the master's key" in first.stderr
    assert first.stdout == MasterKey(database.parent / "ssh").authorized_keys_line() + "\n"
    assert stdout_of(run_command("ssh", "key")) == first.stdout


def test_a_host_key_is_forgotten_by_its_place_and_that_is_audited(
    database: Path, run_command: RunCommand, unreachable_rasp: Rasp
) -> None:
    host_keys = HostKeys(database.parent / "ssh", 22)
    host_keys.pin_keys({unreachable_rasp: asyncssh.generate_private_key("ssh-ed25519")})
    assert stdout_of(run_command("ssh", "forget", "3/2")) == "forgotten: 03-2\n"
    assert host_keys.for_address(unreachable_rasp.address) == []
    assert re.search(r"console:\w+ +forget host key +03-2 +ok", stdout_of(run_command("audit")))


def test_rasps_that_cannot_be_pinned_are_named(
    run_command: RunCommand, unreachable_rasp: Rasp
) -> None:
    ended = run_command("--ssh-port", str(free_port()), "ssh", "pin")
    assert (ended.returncode, ended.stdout) == (2, "1 no answer\n")
    assert ended.stderr == "03-2 (127.0.0.1) gives no answer\n"
    ended = run_command("ssh", "pin", "4")
    assert (ended.returncode, ended.stderr) == (
        2,
        "no rasp is known at 4: install the rack first\n",
    )


def test_without_a_database_no_command_makes_one(tmp_path: Path, run_command: RunCommand) -> None:
    for words in (["user", "list"], ["ssh", "pin"], ["ssh", "forget", "3/2"]):
        ended = run_command(*words, "--db", str(tmp_path / "other.db"))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"{tmp_path}/other.db: there is no such file: name the")
    assert not (tmp_path / "other.db").exists()
