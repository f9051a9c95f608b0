"""Installs on a rack of network namespaces with real dhcpd, clients and pings."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dhcp_installer.dhcpd import log_events
from dhcp_installer.dhcpd.log_events import DhcpMessageType
from rack.database import Database
from rack.inventory import Inventory
from rack.layout import Slot
from tests.dhcp_installer.namespace_installs import NamespaceInstall, run_install, running_installer
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from tools.programs import find
from virtual_rack.dhcp_clients import FOREIGN_ADDRESS
from virtual_rack.rasp import mac_of

pytestmark = pytest.mark.process

# Timeouts are long, for slow machines. Only a dead rasp reaches them.
INSTALL_SETTINGS = """
[install]
timeout_seconds = {timeout}
stagger_seconds = 0.1
"""
GUEST_MAC = "3c:22:fb:00:00:01"
GUEST_ADDRESSES = [f"10.23.255.{last}" for last in range(223, 231)]


def inventory(rack: NamespaceRackProcess) -> dict[str, tuple[int, int]]:
    rasps = Inventory(Database(rack.state_folder / "pirack.db")).rasps()
    return {rasp.mac: slot for slot, rasp in rasps.items()}


def leases(rack: NamespaceRackProcess) -> dict[str, str]:
    """Return the last leased address of each MAC address."""
    events = [log_events.parse_line(line, 0.0) for line in rack.dhcpd_log.splitlines()]
    return {
        event.mac: str(event.address)
        for event in events
        if event and event.message_type is DhcpMessageType.ACK
    }


def misaddressed_slots(rack: NamespaceRackProcess, slots: Iterable[Slot]) -> list[str]:
    """Return the slots with an address at which their own rasp does not reply."""
    replying = [slot for slot in slots if rack.answers_ssh(str(slot.address))]
    with rack.in_master_network():
        neighbours = subprocess.run(
            [*find("ip").command, "neighbour"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        ).stdout
    correct = {s for s in replying if f"{s.address} dev br0 lladdr {mac_of(s)} " in neighbours}
    return [slot.name for slot in slots if slot not in correct]


@pytest.mark.parametrize("stacks", [2, pytest.param(12, marks=pytest.mark.verify)])
def test_whole_rack_is_installed(tmp_path: Path, stacks: int) -> None:
    options = ("--new", "--boot-time", "1")
    tables = INSTALL_SETTINGS.format(timeout=120)
    with running_namespace_rack(
        tmp_path, *options, stacks=stacks, slots=4, extra_tables=tables
    ) as rack:
        done = run_install(rack)
        assert done.result == {"state": "done", "error": ""}
        slots = rack.layout.slots
        assert inventory(rack) == {mac_of(slot): (slot.stack, slot.number) for slot in slots}
        assert misaddressed_slots(rack, slots) == []


@pytest.fixture
def faulty_rack(tmp_path: Path) -> Iterator[NamespaceRackProcess]:
    """A rack with several faults that is not installed yet."""
    options = ("--new", "--boot-time", "1.5", "--link-time", "1")
    tables = INSTALL_SETTINGS.format(timeout=30)
    with running_namespace_rack(tmp_path, *options, stacks=4, slots=4, extra_tables=tables) as rack:
        wait_until(lambda: len(leases(rack)) == 16)
        rack.inject_fault("1/2", "dead")
        rack.inject_fault("2/3", "slow")
        rack.inject_fault("3", "hostile-hostname")
        rack.inject_fault("4/1", "foreign-lease")
        yield rack


def connect_guest(rack: NamespaceRackProcess, addresses: list[str]) -> None:
    """Connect a laptop that leases an address and uses others without a lease."""
    script = Path(sys.modules["virtual_rack"].__path__[0]) / "rasp_init" / "lease.sh"
    udhcpc = find("udhcpc")
    run_in_guest = "nsenter --net=/run/netns/guest"
    commands = [
        "ip netns add guest",
        f"ip link add port-guest type veth peer name eth0 address {GUEST_MAC} netns guest",
        "ip link set port-guest master br0 up",
        "ip -n guest link set eth0 up",
        f"{run_in_guest} {udhcpc.path} -q -f -i eth0 -s {script} >/dev/null 2>&1",
        *(f"ip -n guest address add {address}/16 dev eth0" for address in addresses),
    ]
    done = rack.run_on_master(["sh", "-ec", "\n".join(commands)])
    assert done.returncode == 0, done.stderr


def resolve_address_conflicts(rack: NamespaceRackProcess) -> None:
    """Remove the guest's addresses that a rasp uses too.

    A DHCP client declines such an address, unless it is too busy to receive the guest's ARP reply.
    """
    used = {address for mac, address in leases(rack).items() if mac != GUEST_MAC}
    commands = [
        f"ip -n guest address del {address}/16 dev eth0; ip neighbour flush to {address}"
        for address in used.intersection(GUEST_ADDRESSES)
    ]
    done = rack.run_on_master(["sh", "-ec", "\n".join(commands)])
    assert done.returncode == 0, done.stderr


@pytest.mark.verify
def test_faults_are_reported_and_do_not_misplace_other_rasps(
    faulty_rack: NamespaceRackProcess,
) -> None:
    rack = faulty_rack
    reports = []
    is_first_stack_done = False
    with running_installer(rack) as process:
        assert process.stdout is not None
        reports.append(process.stdout.readline())
        connect_guest(rack, GUEST_ADDRESSES)
        for line in process.stdout:
            reports.append(line)
            if json.loads(line).get("stacks_done") == 1:
                if not is_first_stack_done:
                    resolve_address_conflicts(rack)
                is_first_stack_done = True
                rack.inject_fault("4/4", "reboot-once")
    done = NamespaceInstall(reports)
    dead = rack.layout.stack(1).slots[1]
    assert done.result == {"state": "done", "error": ""}
    assert {mac: stack for mac, (stack, _) in inventory(rack).items()} == {
        mac_of(slot): slot.stack for slot in rack.layout.slots if slot != dead
    }
    assert done.last_report["missing"] == {"1": 1}
    assert done.last_report["other_vendor_macs"] == [GUEST_MAC]
    assert (done.last_report["conflicts"], done.last_report["unplaced"]) == ({}, [])
    # In the stack of the dead rasp, the other rasps fill the slots from the first slot.
    assert (
        misaddressed_slots(rack, [slot for slot in rack.layout.slots if slot.stack != dead.stack])
        == []
    )
    assert f"DHCPREQUEST for {FOREIGN_ADDRESS} from b8:27:eb:23:04:01" in rack.dhcpd_log
    assert "(evil) via eth9 (x) via br0" in rack.dhcpd_log
    assert "DHCPDECLINE" in rack.dhcpd_log
