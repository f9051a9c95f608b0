"""`deploy.uninstall_master` in a machine with systemd, after an installation."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.install_master import DROP_INS, PACKAGES
from tests.deploy.master_machine import CHECKOUT_PATH, MasterMachine, running_machine
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

DHCPD_CONF = "/etc/dhcp/dhcpd.conf"
SUBNET = "subnet 10.23.0.0 netmask 255.255.0.0 { range 10.23.250.1 10.23.250.99; }\n"
HOST = "host rasp-01-1 { hardware ethernet b8:27:eb:00:00:01; fixed-address 10.23.1.1; }\n"
CLIENT_MAC = "b8:27:eb:00:00:01"
# useradd and userdel copy the files of users before they change them.
ACCOUNT_BACKUPS = {f"/etc/{name}-" for name in ("group", "gshadow", "passwd", "shadow")}


def uninstall(machine: MasterMachine, *options: str) -> "subprocess.CompletedProcess[str]":
    command = (machine.python, "-m", "deploy.uninstall_master", *options)
    return machine.run(*command, folder=CHECKOUT_PATH)


def install_twice(machine: MasterMachine) -> None:
    completed = machine.install()
    if completed.returncode == 2 and re.search("apt-get|make_venv", completed.stderr):
        pytest.skip(f"packages are not available: {completed.stderr}")
    machine.configure_rack()
    completed = machine.install()
    assert completed.returncode == 0, completed.stderr
    machine.wait_for_controller()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[MasterMachine]:
    with running_machine(tmp_path) as machine:
        yield machine


@pytest.mark.verify
def test_purged_machine_is_as_before_except_for_host_entries_which_the_dhcp_server_still_serves(
    machine: MasterMachine,
) -> None:
    update = machine.run("apt-get", "--quiet=2", "update")
    flags = ("--quiet=2", "--yes", "--no-install-recommends")
    completed = machine.run(
        "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *flags, "install", *PACKAGES
    )
    if completed.returncode != 0:
        pytest.skip(f"packages are not available: {update.stderr}{completed.stderr}")
    machine.output_of("groupadd", "--system", "--force", "gpio")
    machine.connect_rasp(CLIENT_MAC)
    machine.write("/etc/default/isc-dhcp-server", 'INTERFACESv4="eth0"\n')
    machine.write(DHCPD_CONF, SUBNET)
    machine.output_of("systemctl", "enable", "--now", *DROP_INS)
    machine.output_of("systemctl", "start", "isc-dhcp-server")
    previous = machine.list_files()
    install_twice(machine)
    as_pirack = ("runuser", "-u", "pirack", "--")
    machine.output_of(*as_pirack, "sh", "-c", f"echo '{HOST}' >> {DHCPD_CONF}")
    machine.output_of(*as_pirack, "systemctl", "restart", "isc-dhcp-server")
    assert machine.leased_address() == "10.23.1.1"
    completed = uninstall(machine, "--purge")
    assert completed.returncode == 0, completed.stderr
    files = machine.list_files()
    changed = {
        path for path in files.keys() | previous.keys() if files.get(path) != previous.get(path)
    }
    assert changed - ACCOUNT_BACKUPS == {DHCPD_CONF}
    assert machine.output_of("cat", DHCPD_CONF) == f"{SUBNET}{HOST}\n"
    assert files[DHCPD_CONF].startswith("-rw-r--r-- 1 root root")
    machine.wait_until_active("isc-dhcp-server", *DROP_INS)
    machine.output_of("systemctl", "restart", "isc-dhcp-server")
    assert machine.leased_address() == "10.23.1.1"
    for unit in DROP_INS:
        started = machine.output_of("systemctl", "show", "--property=ExecStart", unit)
        assert "/etc/pirack" not in started
    assert machine.run("id", "pirack").returncode != 0
    assert uninstall(machine, "--purge").returncode == 0
    assert machine.list_files() == files


@pytest.mark.verify
def test_uninstalled_master_keeps_its_state_and_can_be_installed_again(
    machine: MasterMachine,
) -> None:
    install_twice(machine)
    machine.output_of("pirack-controller", "user", "add", "alice", "--role", "viewer", "--generate")
    completed = uninstall(machine)
    assert completed.returncode == 0, completed.stderr
    assert "Kept /etc/pirack, /var/lib/pirack and the user pirack" in completed.stderr
    purge = re.search(r"sudo apt-get purge (.+)$", completed.stderr, re.MULTILINE)
    assert purge is not None
    assert set(purge[1].split()) <= set(PACKAGES) - {"isc-dhcp-server"}
    assert "prometheus" in purge[1].split()
    for unit in (*DROP_INS, "pirack-controller", "pirack-relays"):
        assert machine.run("systemctl", "is-active", unit).stdout == "inactive\n"
        assert machine.run("systemctl", "is-enabled", unit).stdout != "enabled\n"
    completed = machine.install()
    assert completed.returncode == 0, completed.stderr
    machine.wait_for_controller()
    machine.wait_until_active(*DROP_INS)
    assert "alice" in machine.output_of("pirack-controller", "user", "list")


@pytest.mark.verify
def test_stack_gets_power_only_after_a_confirmation_if_the_kernel_releases_pins(
    machine: MasterMachine,
) -> None:
    machine.simulate_relays()
    install_twice(machine)
    token = machine.output_of("pirack-controller", "token", "add", "me", "--role", "operator")
    secret = re.search(r"pirack_\S+", token)
    assert secret is not None
    power_off = ("pirack", "power", "off", "3", "--force", "--yes")
    completed = machine.run("env", f"PIRACK_TOKEN={secret[0]}", *power_off)
    changes = machine.pin_changes()
    assert changes[-1] == "18 high", completed.stdout  # the pin of stack 3
    completed = uninstall(machine)
    assert completed.returncode == 2
    assert "stack 3 gets power: nothing was changed" in completed.stderr
    assert machine.pin_changes() == changes
    machine.wait_until_active("pirack-controller", "pirack-relays")
    assert uninstall(machine, "--yes").returncode == 0
    wait_until(lambda: machine.pin_changes() != changes)
