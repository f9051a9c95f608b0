"""Restarts of the real DHCP server by the user of the controller, over polkit and systemd."""

from collections.abc import Iterator

import pytest

from tests.deploy.master_machine import MasterMachine, installed_master

pytestmark = [pytest.mark.process, pytest.mark.verify]

AS_PIRACK = ("runuser", "-u", "pirack", "--")
SUBNET = "subnet 10.23.0.0 netmask 255.255.0.0 { range 10.23.250.1 10.23.250.99; }\n"
MAC = "b8:27:eb:00:00:01"
SLOW_START = "[Service]\nExecStartPre=/bin/sleep 65\n"  # more than the earlier limit of a restart
DROP_IN = "/etc/systemd/system/isc-dhcp-server.service.d/slow.conf"
ACTIVATE = """
import sys
from pathlib import Path
from dhcp_installer.dhcpd.server import SystemdDhcpd, activate
from dhcp_installer.errors import InstallError
try:
    activate(Path("/etc/dhcp/dhcpd.conf"), sys.argv[1], SystemdDhcpd())
except InstallError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MasterMachine]:
    with installed_master(tmp_path_factory.mktemp("machine")) as machine:
        machine.connect_rasp(MAC)
        machine.write("/etc/default/isc-dhcp-server", 'INTERFACESv4="eth0"\n')
        yield machine


def activate(master: MasterMachine, text: str) -> str:
    """Activate a dhcpd.conf as an install of the controller does. Return its error."""
    python = "/opt/pirack/current/.venv/bin/python"
    return master.run(*AS_PIRACK, python, "-I", "-c", ACTIVATE, text).stderr


def test_user_of_the_controller_may_restart_the_dhcp_server_and_nothing_else(
    master: MasterMachine,
) -> None:
    assert activate(master, SUBNET) == ""
    assert master.leased_address().startswith("10.23.250.")
    for command in (
        ("stop", "isc-dhcp-server"),
        ("restart", "prometheus"),
        ("disable", "isc-dhcp-server"),
    ):
        completed = master.run(*AS_PIRACK, "systemctl", "--no-ask-password", *command)
        assert completed.returncode != 0
    master.wait_until_active("isc-dhcp-server")


def test_configuration_with_which_the_server_does_not_start_is_rolled_back(
    master: MasterMachine,
) -> None:
    assert activate(master, SUBNET) == ""
    error = activate(master, "subnet 10.99.0.0 netmask 255.255.0.0 { }\n")
    assert "isc-dhcp-server does not run" in error
    assert "the previous configuration was restored and is active" in error
    assert master.output_of("cat", "/etc/dhcp/dhcpd.conf") == SUBNET
    assert master.leased_address().startswith("10.23.250.")


def test_restart_that_takes_longer_than_a_minute_succeeds(master: MasterMachine) -> None:
    master.write(DROP_IN, SLOW_START)
    master.output_of("systemctl", "daemon-reload")
    host = f"host rasp-01-1 {{ hardware ethernet {MAC}; fixed-address 10.23.1.1; }}\n"
    assert activate(master, f"{SUBNET}{host}") == ""
    assert master.leased_address() == "10.23.1.1"
