"""The doctor on a master with a running systemd, and faults that its own fixes remove."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.master_machine import MasterMachine, installed_master
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.verify, pytest.mark.timeout(1800)]

ADDRESS = "10.23.0.1/16"
SETTINGS = "/etc/default/isc-dhcp-server"
THRESHOLDS = "/etc/pirack/prometheus/rules/thresholds.yml"
ADD_RASP = (
    "INSERT INTO rasps (stack, slot, mac, address) VALUES (1, 1, 'b8:27:eb:00:00:01', '10.23.1.1')"
)
SEND_REQUEST = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from ipaddress import IPv4Address
from tests.controller.doctor.choosing_clients import request
client = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
client.bind(("peer0", 0))
client.send(request(bytes.fromhex("b827eb000001"), sys.argv[2], IPv4Address(sys.argv[3])))
"""
OF_THIS_MACHINE = {"clock"}  # a container cannot synchronize the clock of its host


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MasterMachine]:
    """A master with simulated pins, and an interface for its rack."""
    with installed_master(tmp_path_factory.mktemp("machine")) as machine:
        machine.simulate_relays()
        shell(machine, "touch /dev/gpiochip0; chgrp gpio /dev/gpiochip0; chmod 660 /dev/gpiochip0")
        shell(machine, "ip link add eth0 type veth peer name peer0; ip link set peer0 up")
        shell(machine, f"ip address add {ADDRESS} dev eth0; ip link set eth0 up")
        shell(machine, f"echo 'INTERFACESv4=\"eth0\"' > {SETTINGS}")
        shell(machine, "echo 'subnet 10.23.0.0 netmask 255.255.0.0 { }' >> /etc/dhcp/dhcpd.conf")
        shell(machine, "systemctl restart isc-dhcp-server")
        machine.configure_rack()
        completed = machine.install()
        assert completed.returncode == 0, completed.stderr
        report = completed.stderr.partition("`sudo pirack-controller doctor`:\n")[2]
        assert set(re.findall(r"^(?:ERROR|WARNING|NOT CHECKED) (\w+):", report, re.MULTILINE)) <= (
            OF_THIS_MACHINE
        ), report
        machine.wait_for_controller()
        yield machine


def shell(machine: MasterMachine, script: str) -> None:
    machine.output_of("sh", "-c", script)


def findings(machine: MasterMachine) -> dict[str, Any]:
    """Return the findings of the command on the master, keyed by check."""
    completed = machine.run("pirack-controller", "doctor", "--json")
    assert completed.returncode in {0, 1}, completed.stderr
    found = json.loads(completed.stdout)["findings"]
    return {each["check"]: each for each in found if each["check"] not in OF_THIS_MACHINE}


def findings_of_api(machine: MasterMachine, token: str) -> set[str]:
    """Return the names of the checks with findings in the sandbox of the controller."""
    completed = machine.run("env", f"PIRACK_TOKEN={token}", "pirack", "doctor", "--json")
    assert completed.returncode in {0, 1}, completed.stderr
    return {each["check"] for each in json.loads(completed.stdout)["findings"]} - OF_THIS_MACHINE


def run_commands_of(machine: MasterMachine, fix: str) -> None:
    """Run the commands of a fix as they are written."""
    commands = re.findall(r"`sudo ([^`]+)`", fix)
    assert commands, fix
    for command in commands:
        machine.output_of(*shlex.split(command))


def change_interface(machine: MasterMachine, fix: str) -> None:
    setting = re.findall(r"set (INTERFACESv4=\S+) in", fix)
    shell(machine, f"echo {shlex.quote(setting[0])} > {SETTINGS}")
    run_commands_of(machine, fix)


def request_address(machine: MasterMachine, address: str, server: str) -> None:
    python = str(Path("/opt/pirack/current/.venv/bin/python"))
    root = Path(__file__).parents[2]
    machine.output_of(python, "-c", SEND_REQUEST, str(root), address, server)


def restore_thresholds(machine: MasterMachine, fix: str) -> None:
    shell(machine, f"cp /root/thresholds.yml {THRESHOLDS}")
    run_commands_of(machine, fix)


def test_faults_are_found_and_their_fixes_remove_the_findings(master: MasterMachine) -> None:
    output = master.output_of("pirack-controller", "token", "add", "viewer", "--role", "viewer")
    token = output.split()[-1]
    assert findings(master) == {}
    wait_until(lambda: findings_of_api(master, token) == set())
    faults: dict[str, tuple[str, Callable[[MasterMachine, str], object]]] = {
        "gpio_permissions": (
            "chown root:root /dev/gpiochip0; chmod 600 /dev/gpiochip0",
            # udev does not run in this machine.
            lambda machine, _: shell(
                machine, "chgrp gpio /dev/gpiochip0; chmod 660 /dev/gpiochip0"
            ),
        ),
        "relay_holder": ("systemctl stop pirack-relays", run_commands_of),
        "addresses": (
            f"ip address del {ADDRESS} dev eth0",
            lambda machine, fix: shell(
                machine,
                f"ip address add {re.findall(r'ipv4.addresses ([^`]+)`', fix)[0]} dev eth0",
            ),
        ),
        "dhcp_server": ("systemctl stop isc-dhcp-server", run_commands_of),
        "dhcp_interface": (f"echo 'INTERFACESv4=\"uplink\"' > {SETTINGS}", change_interface),
        "services": ("systemctl stop prometheus-blackbox-exporter", run_commands_of),
        "configuration_files": (
            f"cp {THRESHOLDS} /root; echo '  - [' >> {THRESHOLDS}",
            restore_thresholds,
        ),
        "backup": (
            f'/opt/pirack/current/.venv/bin/python -c "import sqlite3;'
            f" sqlite3.connect('/var/lib/pirack/pirack.db', isolation_level=None)"
            f'.execute(\\"{ADD_RASP}\\")"',
            run_commands_of,
        ),
        "disk_space": (
            # A file system without any space would also stop the requests of the doctor.
            "free=$(df --output=avail --block-size=1 /var/lib/pirack | tail -n 1);"
            " fallocate --length $((free - 60000000)) /var/lib/filled",
            lambda machine, _: shell(machine, "rm /var/lib/filled"),
        ),
    }
    for check, (fault, repair) in faults.items():
        shell(master, fault)
        found = findings(master)
        assert check in found, (check, found)
        wait_until(lambda check=check: check in findings_of_api(master, token))  # type: ignore[misc]
        repair(master, found[check]["fix"])
        wait_until(lambda: findings(master) == {})
        master.wait_for_controller()
        wait_until(lambda: findings_of_api(master, token) == set())


def test_client_of_another_dhcp_server_is_found_in_the_journal_until_it_changes_its_server(
    master: MasterMachine,
) -> None:
    request_address(master, "192.168.7.100", "192.168.7.1")
    wait_until(lambda: "other_dhcp_servers" in findings(master))
    assert "192.168.7.1" in findings(master)["other_dhcp_servers"]["problem"]
    request_address(master, "10.23.1.1", "10.23.0.1")
    wait_until(lambda: findings(master) == {})
