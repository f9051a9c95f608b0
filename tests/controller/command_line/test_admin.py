"""Tests of the commands of `python -m controller`."""

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

from controller.audit import AuditEvent
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.ssh.host_keys import HostKeys
from controller.ssh.master_key import MasterKey
from rack.database import Database
from rack.inventory import Inventory, Rasp
from tests.controller.http_client import BrowserSession
from tests.controller.rack_process import RackProcess
from tests.helpers.forked_program import run_program
from tests.helpers.users import (
    OTHER_USER,
    folder_of_other_user,
    give_to_other_user,
    python_for_every_user,
)
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, wait_until

pytestmark = pytest.mark.process

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
    def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_program("controller", ["--db", database, *arguments], environment=os.environ)

    return run_command


@pytest.fixture
def access(database: Path) -> AccessControl:
    return AccessControl(Database(database))


def stdout_of(process: subprocess.CompletedProcess[str]) -> str:
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def run_in_terminal(database: Path, command: list[str], *inputs: str) -> tuple[int, str]:
    """Run a command in a terminal with these input lines. Return its status and its output."""
    terminal, child_terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "controller", "--db", str(database), *command],
        cwd=ROOT,
        stdin=child_terminal,
        stdout=child_terminal,
        stderr=child_terminal,
        start_new_session=True,
    )
    os.close(child_terminal)
    output = ""

    def read() -> bool:
        nonlocal output
        try:
            part = os.read(terminal, 4096).decode()
        except OSError:  # the command has closed the terminal
            part = ""
        output += part
        return bool(part)

    for i, line in enumerate(inputs):
        while output.count(": ") <= i and read():
            pass
        os.write(terminal, f"{line}\n".encode())
    while read():
        pass
    os.close(terminal)
    return process.wait(TIMEOUT_SECONDS), output


def test_add_user_asks_for_the_password_twice_without_echo(
    database: Path, access: AccessControl
) -> None:
    status, output = run_in_terminal(
        database, ["user", "add", "alice", "--role", "operator"], PASSWORD, PASSWORD
    )
    assert status == 0, output
    assert "Added user alice with role operator." in output
    assert PASSWORD not in output
    assert access.users.verified_hash("alice", PASSWORD) is not None


def test_add_user_rejects_different_passwords(database: Path, access: AccessControl) -> None:
    status, output = run_in_terminal(
        database, ["user", "add", "alice", "--role", "viewer"], PASSWORD, "another one, sorry"
    )
    assert status == 2
    assert "the passwords differ" in output
    assert access.users.all() == []


def test_password_can_be_generated(run_command: RunCommand, access: AccessControl) -> None:
    output = stdout_of(run_command("user", "add", "alice", "--role", "admin", "--generate"))
    password = output.splitlines()[-1]
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", password)
    assert access.users.verified_hash("alice", password) is not None
    output = stdout_of(run_command("user", "password", "alice", "--generate"))
    assert access.users.verified_hash("alice", password) is None
    assert access.users.verified_hash("alice", output.splitlines()[-1]) is not None


def test_users_are_listed_and_removed(run_command: RunCommand, access: AccessControl) -> None:
    access.users.add("alice", Role.ADMIN, PASSWORD)
    access.users.add("bob", Role.VIEWER, PASSWORD)
    header, *rows = stdout_of(run_command("user", "list")).splitlines()
    assert header.split() == ["NAME", "ROLE", "CREATED"]
    assert [row.split()[:2] for row in rows] == [["alice", "admin"], ["bob", "viewer"]]
    assert (
        stdout_of(run_command("user", "remove", "bob"))
        == "Removed user bob, ended all sessions and revoked all tokens of the user.\n"
    )
    assert [user.name for user in access.users.all()] == ["alice"]


def test_token_is_printed_once_listed_and_revoked(
    run_command: RunCommand, access: AccessControl
) -> None:
    output = stdout_of(run_command("token", "add", "ci", "--role", "operator", "--expires", "30"))
    secret = output.splitlines()[-1]
    token = access.tokens.authenticate(secret)
    assert token is not None
    assert token.expires_at is not None
    assert token.expires_at - token.created_at == 30 * 86400
    listed = stdout_of(run_command("token", "list"))
    assert secret not in listed
    assert f"ci    operator  {secret[:13]}…" in listed
    assert stdout_of(run_command("token", "revoke", "ci")) == "Revoked token ci.\n"
    assert access.tokens.authenticate(secret) is None


def test_commands_are_recorded_in_the_audit(run_command: RunCommand, access: AccessControl) -> None:
    run_command("user", "add", "alice", "--role", "admin", "--generate")
    run_command("token", "add", "ci", "--role", "viewer")
    run_command("token", "revoke", "ci")
    lines = stdout_of(run_command("audit")).splitlines()[1:]
    actions = ["add user", "add token", "revoke token"]
    assert [next(action for action in actions if action in line) for line in lines] == actions
    assert all("console:" in line for line in lines)
    assert len(stdout_of(run_command("audit", "--limit", "1")).splitlines()) == 2


def test_audit_replaces_control_characters(run_command: RunCommand, access: AccessControl) -> None:
    access.audit.record(AuditEvent("alice", "", "\x1b[2Jlog in\n", "", "refused"))
    assert "\ufffd[2Jlog in\ufffd" in stdout_of(run_command("audit"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["user", "add", "Alice!", "--role", "viewer", "--generate"],
            "'Alice!' is not a valid name: use",
        ),
        (["user", "add", "a" * 33, "--role", "viewer", "--generate"], "is not a valid name"),
        (["user", "add", "a\nb", "--role", "viewer", "--generate"], r"'a\nb' is not a valid name"),
        (["user", "add", "<script>", "--role", "viewer", "--generate"], "is not a valid name"),
        (["user", "add", "anonymous", "--role", "viewer", "--generate"], "is not a valid name"),
        (["user", "add", "alice", "--role", "viewer", "--generate"], "user 'alice' already exists"),
        (["user", "add", "bob", "--role", "viewer"], "no terminal to ask for the password"),
        (["user", "remove", "bob"], "unknown user 'bob'; existing users: alice"),
        (["user", "remove", "alice"], "'alice' is the last admin: add another admin first"),
        (["user", "password", "bob", "--generate"], "unknown user 'bob'; existing users: alice"),
        (["token", "revoke", "ci"], "unknown token 'ci'; existing tokens: none"),
        (["token", "add", "", "--role", "viewer"], "'' is not a valid name"),
    ],
)
def test_failed_command_prints_one_line_and_changes_nothing(
    run_command: RunCommand, access: AccessControl, arguments: list[str], message: str
) -> None:
    access.users.add("alice", Role.ADMIN, PASSWORD)
    process = run_command(*arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert message in process.stderr
    assert process.stderr.count("\n") == 1
    assert [user.name for user in access.users.all()] == ["alice"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["user"], "Usage: python -m controller user"),
        (["user", "add", "alice"], "--role"),
        (["user", "add", "alice", "--role", "god"], "Invalid value for '--role'"),
        (["token", "add", "ci", "--role", "viewer", "--expires", "0"], "0 is not in the range"),
        (["token", "add", "ci", "--role", "viewer", "--expires", "1e9"], "not a valid integer"),
        (["audit", "--limit", "-1"], "-1 is not in the range"),
        (["--anonymous", "operator"], "Invalid value for '--anonymous'"),
        (["--proxy", "proxy.example"], "is not a valid IP address"),
    ],
)
def test_invalid_command_line_prints_the_error(
    run_command: RunCommand, arguments: list[str], message: str
) -> None:
    process = run_command(*arguments)
    assert process.returncode == 2
    assert message in process.stderr


def test_missing_database_is_not_created(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "controller", "user", "list", "--db", str(tmp_path / "none.db")],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert process.returncode == 2
    assert "none.db: file not found" in process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "list"],
        ["user", "add", "ada", "--role", "viewer"],
        ["token", "list"],
        ["audit"],
        ["ssh", "pin"],
    ],
)
def test_commands_report_a_lost_database(
    database: Path, run_command: RunCommand, arguments: list[str]
) -> None:
    for file in database.parent.glob("pirack.db*"):
        file.unlink()
    process = run_command(*arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(
        f"controller: {database}: the database was lost: the file is missing, but"
        " pirack.database-id shows"
    )
    assert not database.exists()


def test_first_start_creates_an_admin_and_prints_the_password_once(tmp_path: Path) -> None:
    rack_process = RackProcess(tmp_path, contact="normally_closed")
    rack_process.state_folder.mkdir()
    try:
        first = rack_process.start_controller(pins={})
        wait_until(lambda: "It is not shown again." in first.log)
        match = re.search(r"Log in as admin with the password (\S+)", first.log)
        assert match is not None
        browser_session = BrowserSession(first.url)
        assert browser_session.log_in("admin", match[1]).status_code == 303
        first.stop(15)
        second = rack_process.start_controller(pins={})
        assert second.log.count("First start.") == 1
        assert second.log.count(match[1]) == 1
        browser_session.url = second.url
        assert browser_session.is_logged_in, "a session survives a restart"
    finally:
        rack_process.close()


@pytest.fixture
def unreachable_rasp(database: Path) -> Rasp:
    """A rasp in the inventory without an SSH server."""
    rasp = Rasp(3, 2, "b8:27:eb:00:03:02", IPv4Address("127.0.0.1"))
    Inventory(Database(database)).replace([rasp])
    return rasp


def test_ssh_key_is_created_once_and_printed_for_authorized_keys(
    database: Path, run_command: RunCommand
) -> None:
    first = run_command("ssh", "key")
    assert first.returncode == 0
    assert "Created the SSH key of the master, " in first.stderr
    assert first.stdout == MasterKey(database.parent / "ssh").authorized_keys_line() + "\n"
    assert stdout_of(run_command("ssh", "key")) == first.stdout


def test_ssh_forget_deletes_a_host_key_and_records_it(
    database: Path, run_command: RunCommand, unreachable_rasp: Rasp
) -> None:
    host_keys = HostKeys(database.parent / "ssh", 22)
    host_keys.replace_keys({unreachable_rasp: asyncssh.generate_private_key("ssh-ed25519")})
    assert stdout_of(run_command("ssh", "forget", "3/2")) == "Deleted the host keys of 03-2.\n"
    assert host_keys.for_address(unreachable_rasp.address) == []
    assert re.search(r"console:\w+ +forget host key +03-2 +ok", stdout_of(run_command("audit")))


def test_ssh_pin_names_unreachable_rasps(run_command: RunCommand, unreachable_rasp: Rasp) -> None:
    process = run_command("--ssh-port", str(free_port()), "ssh", "pin")
    assert (process.returncode, process.stdout) == (1, "1 no answer\n")
    assert process.stderr == "controller: 03-2 (127.0.0.1) does not respond\n"
    process = run_command("ssh", "pin", "4")
    assert (process.returncode, process.stderr) == (
        2,
        "controller: no rasp is installed at 4: install the rack\n",
    )


def test_commands_do_not_create_a_database(tmp_path: Path, run_command: RunCommand) -> None:
    for arguments in (["user", "list"], ["ssh", "pin"], ["ssh", "forget", "3/2"]):
        process = run_command(*arguments, "--db", str(tmp_path / "other.db"))
        assert (process.returncode, process.stdout) == (2, "")
        assert process.stderr.startswith(
            f"controller: {tmp_path}/other.db: file not found: name the"
        )
    assert not (tmp_path / "other.db").exists()


def test_commands_of_root_use_the_rights_of_the_databases_owner() -> None:
    python, variables = python_for_every_user()

    def run_as_root(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-m", "controller", *arguments, "--db", str(folder / "pirack.db")],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
            text=True,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    with folder_of_other_user() as folder:
        Database(folder / "pirack.db")
        give_to_other_user(*folder.iterdir())
        assert (
            "Added user" in run_as_root("user", "add", "anna", "--role=viewer", "--generate").stdout
        )
        assert run_as_root("ssh", "key").returncode == 0
        files = [*folder.iterdir(), *(folder / "ssh").iterdir()]
        assert {file.stat().st_uid for file in files} == {OTHER_USER.pw_uid}
        victim = folder.parent / "victim"
        victim.mkdir(mode=0o700)
        (folder / "ssh").rename(folder / "kept")
        (folder / "ssh").symlink_to(victim)
        completed = run_as_root("ssh", "key")
        assert completed.returncode == 2
        assert "Permission denied" in completed.stderr
        assert list(victim.iterdir()) == []
