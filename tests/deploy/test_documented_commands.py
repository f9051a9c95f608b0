"""The commands of the pages about masters, as a user with sudo types them.

Pins and the network of the rack are simulated. There are no rasps.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.documented import code_blocks
from tests.deploy.master_machine import MasterMachine, running_machine

pytestmark = [pytest.mark.process, pytest.mark.verify, pytest.mark.timeout(1800)]

SET_UP = Path("docs/how-to/real-rack.md")
OPERATIONS = Path("docs/how-to/operations.md")
ACCESS = Path("docs/reference/access.md")
USER = "pi"
CONTROLLER = "pirack-controller"

NOT_RUN = {
    "sudo nmcli connection add": "NetworkManager does not run in the machine",
    "git clone": "the checkout is copied",
    "git pull": "the checkout has no remote repository",
    "sudo pirack card": "tests/cli/card run it",
    "pirack install": "the machine has no rasps",
    "pirack run": "the machine has no rasps",
    "pirack deploy": "the machine has no rasps",
    "pirack identify": "the machine has no rasps",
    "pirack replace": "the machine has no rasps",
    "pirack rasps all --json | jq": "the machine has no rasps",
    "sudo pirack-controller ssh pin": "the machine has no rasps",
    "sudo pirack-controller ssh forget": "the machine has no rasps",
    "python -m controller --proxy": "it does not end",
    "Host 10.23.*": "not a command",
    "User pi": "not a command",
    "The first start.": "not a command",
}
# Commands without rasps end with a result that is not successful.
STATUSES = {
    "pirack status": {1},
    "pirack power": {1},
    "sudo pirack-controller doctor": {0, 1},
}
RENDER = """
from pathlib import Path
from dhcp_installer.dhcpd.renderer import DhcpdRenderer
from dhcp_installer.dhcpd.server import SystemdDhcpd, activate
from rack.layout_file import load
path = Path("/etc/dhcp/dhcpd.conf")
renderer = DhcpdRenderer(load(Path("/etc/pirack/rack.toml")), path)
activate(path, renderer.render([], path.read_text(), lease_seconds=600), SystemdDhcpd())
"""


class Operator:
    """A user with sudo, who types the commands of a page in the order of its sections."""

    def __init__(self, machine: MasterMachine) -> None:
        self.machine = machine
        self.typed_lines: set[str] = set()

    def type_line(self, line: str, typed: str = "", *, folder: str = "/home/pi/pirack") -> str:
        """Type a command on a terminal, and answer its questions. Return its output."""
        self.typed_lines.add(line)
        script = f"script --quiet --return --command {shlex.quote(line)} /dev/null"
        command = ("runuser", "-l", USER, "-c", f"cd {folder} && {script}")
        completed = self.machine.run(*command, typed=typed)
        allowed = next((value for key, value in STATUSES.items() if line.startswith(key)), {0})
        assert completed.returncode in allowed, f"{line}\n{completed.stdout}{completed.stderr}"
        return completed.stdout

    def type_section(
        self, page: Path, section: str, *, replaced: tuple[str, str] = ("", ""), **options: str
    ) -> str:
        """Type all commands of a section that can run here. Return their output."""
        output = ""
        for title, lines in code_blocks(page):
            if title != section:
                continue
            for line in lines:
                if reason_not_to_run(line) is None:
                    output += self.type_line(line.replace(*replaced), **options)
                    self.typed_lines.add(line)
        return output


def reason_not_to_run(line: str) -> str | None:
    """Return why a documented command cannot run in the machine, or None."""
    if line.startswith("pirack install --dry-run"):
        return None
    return next((reason for start, reason in NOT_RUN.items() if line.startswith(start)), None)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Return the user `pi` of a new Raspberry Pi, who has the checkout."""
    with running_machine(tmp_path_factory.mktemp("machine")) as machine:
        machine.output_of("apt-get", "--quiet=2", "update")
        installed = machine.run("apt-get", "--quiet=2", "--yes", "install", "sudo")
        if installed.returncode != 0:
            pytest.skip(f"packages are not available: {installed.stderr}")
        machine.output_of("useradd", "--create-home", "--shell=/bin/bash", "--groups=adm", USER)
        machine.write(f"/etc/sudoers.d/{USER}", f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
        machine.copy_checkout(f"/home/{USER}/pirack")
        machine.connect_rasp("b8:27:eb:00:00:01")
        machine.write("/etc/default/isc-dhcp-server", 'INTERFACESv4="eth0"\n')
        machine.simulate_relays()
        yield Operator(machine)


def test_documented_commands_set_up_operate_and_remove_a_master(operator: Operator) -> None:
    machine = operator.machine
    for section in ("Install the system of the master", "Install PiRack"):
        operator.type_section(SET_UP, section)
    describe_rack(operator)
    use_relays(operator)
    for section in ("Prepare the SD cards", "Install the rack", "Check the rasps"):
        operator.type_section(SET_UP, section)
    machine.output_of(
        *("runuser", "-u", "pirack", "--", "/opt/pirack/current/.venv/bin/python", "-I", "-c"),
        RENDER,
    )
    for section in ("Backup", "Restore"):
        operator.type_section(OPERATIONS, section)
    machine.wait_for_controller()
    use_command_line(operator)
    operator.type_section(OPERATIONS, "Lost database")
    machine.wait_for_controller()
    release = Path(machine.output_of("readlink", "/opt/pirack/current").strip()).name
    operator.type_section(OPERATIONS, "Upgrade", replaced=("VERSION", release))
    machine.wait_for_controller()
    assert "alice" not in machine.output_of("pirack-controller", "user", "list")
    assert "me" in machine.output_of("pirack-controller", "token", "list")
    operator.type_section(OPERATIONS, "Replace a Raspberry Pi", typed="y\n")
    operator.type_line("sudo python3 -m deploy.uninstall_master --yes")
    assert machine.run("pirack", "--version").returncode != 0
    machine.wait_until_active("isc-dhcp-server")
    assert_no_command_was_forgotten(operator)


def describe_rack(operator: Operator) -> None:
    """Type section 4 of the set-up."""
    machine = operator.machine
    machine.configure_rack()
    blocks = [lines for title, lines in code_blocks(SET_UP) if title == "Describe your rack"]
    (install, show_password), (add_token, make_folder, save_token, *checks) = blocks
    operator.type_line(install)
    machine.wait_for_controller()
    assert "Log in as admin with the password" in operator.type_line(show_password)
    secret = re.search(r"pirack_\S+", operator.type_line(add_token))
    assert secret is not None
    operator.type_line(make_folder)
    operator.type_line(save_token, f"{secret[0]}\n\x04")
    assert "room-5" in "".join(operator.type_line(check) for check in checks)


def use_relays(operator: Operator) -> None:
    """Type section 5 of the set-up, and check which pins change."""
    machine = operator.machine
    [lines] = [lines for title, lines in code_blocks(SET_UP) if title == "Test the relays"]
    claimed = machine.pin_changes()
    changes = []
    for line in lines:
        operator.type_line(line, "y\n")
        changes.append(machine.pin_changes()[len(claimed) :])
    machine.wait_for_controller()
    assert changes == [["16 high"], *[["16 high", "16 low"]] * 3]
    assert machine.pin_changes() == [*claimed, "16 high", "16 low"]


def use_command_line(operator: Operator) -> None:
    """Type the commands for access control."""
    machine = operator.machine
    [lines] = [lines for title, lines in code_blocks(ACCESS) if title == "Commands on the master"]
    for line in lines:
        words, _, remark = line.partition("#")
        # Without a terminal that waits for the question, PiRack chooses the password.
        asks = "asks for a password" in remark or "sets a new password" in remark
        machine.output_of("systemctl", "stop" if "restore" in words else "start", CONTROLLER)
        operator.type_line(f"{words.strip()} --generate" if asks else line, folder="/home/pi")
        operator.typed_lines.add(line)
    machine.output_of("systemctl", "start", CONTROLLER)
    machine.wait_for_controller()
    token = machine.path(f"/home/{USER}/.config/pirack/token").read_text().strip()
    assert '"01-1"' in operator.type_section(ACCESS, "Tokens", replaced=("pirack_…", token))


def assert_no_command_was_forgotten(operator: Operator) -> None:
    documented = {
        line
        for page in (SET_UP, OPERATIONS, ACCESS)
        for _, lines in code_blocks(page)
        for line in lines
    }
    missing = {line for line in documented if reason_not_to_run(line) is None}
    assert missing - operator.typed_lines - {"sudo python3 -m deploy.uninstall_master"} == set()
