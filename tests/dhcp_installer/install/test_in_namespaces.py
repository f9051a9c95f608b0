"""Installs on a rack of network namespaces: real dhcpd, real clients, real pings, scaled times."""

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

# Boots take seconds, a cut as long as in a real rack, for pings take their time. Time-outs are for
# machines that have much else to do: nothing waits for them but what a dead rasp keeps waiting.
INSTALL_SETTINGS = """
[install]
timeout_seconds = {timeout}
stagger_seconds = 0.1
"""
GUEST_MAC = "3c:22:fb:00:00:01"


def inventory(rack: NamespaceRackProcess) -> dict[str, tuple[int, int]]:
    rasps = Inventory(Database(rack.state_folder / "pirack.db")).rasps()
    return {rasp.mac: place for place, rasp in rasps.items()}


def leases(rack: NamespaceRackProcess) -> dict[str, str]:
    """The address that each MAC was given last."""
    seen = [
        each for line in rack.dhcpd_log.splitlines() if (each := log_events.parse_line(line, 0.0))
    ]
    return {
        each.mac: str(each.address) for each in seen if each.message_type is DhcpMessageType.ACK
    }


def misaddressed_slots(rack: NamespaceRackProcess, slots: Iterable[Slot]) -> list[str]:
    """Return those slots at whose address another one answers than its own rasp, or nobody."""
    answering = [slot for slot in slots if rack.answers_ssh(str(slot.address))]
    with rack.in_master_network():
        neighbours = subprocess.run(
            [*find("ip").command, "neighbour"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        ).stdout
    own = {s for s in answering if f"{s.address} dev br0 lladdr {mac_of(s)} " in neighbours}
    return [slot.name for slot in slots if slot not in own]


@pytest.mark.timeout(300)
def test_a_whole_rack_is_installed(tmp_path: Path) -> None:
    words = ("--new", "--boot-time", "1")
    tables = INSTALL_SETTINGS.format(timeout=60)
    with running_namespace_rack(tmp_path, *words, stacks=12, slots=4, extra_tables=tables) as room:
        done = run_install(room)
        assert done.result == {"state": "done", "trouble": ""}
        slots = room.layout.slots
        assert inventory(room) == {mac_of(slot): (slot.stack, slot.number) for slot in slots}
        assert misaddressed_slots(room, slots) == []


@pytest.fixture
def faulty_rack(tmp_path: Path) -> Iterator[NamespaceRackProcess]:
    """A rack that has not been installed, in which much is odd, and which has a guest."""
    words = ("--new", "--boot-time", "1.5", "--link-time", "1")
    tables = INSTALL_SETTINGS.format(timeout=16)
    with running_namespace_rack(tmp_path, *words, stacks=4, slots=4, extra_tables=tables) as room:
        wait_until(lambda: len(leases(room)) == 16)
        room.inject_fault("1/2", "dead")
        room.inject_fault("2/3", "slow")
        room.inject_fault("3", "hostile-hostname")
        room.inject_fault("4/1", "foreign-lease")
        yield room


def connect_guest(rack: NamespaceRackProcess, addresses: list[str]) -> None:
    """Bring a laptop, which asks for an address, and has some that nobody gave it."""
    script = Path(sys.modules["virtual_rack"].__path__[0]) / "rasp_init" / "lease.sh"
    udhcpc = find("udhcpc")
    inside = "nsenter --net=/run/netns/guest"
    commands = [
        "ip netns add guest",
        f"ip link add port-guest type veth peer name eth0 address {GUEST_MAC} netns guest",
        "ip link set port-guest master br0 up",
        "ip -n guest link set eth0 up",
        f"{inside} {udhcpc.path} -q -f -i eth0 -s {script} >/dev/null 2>&1",
        *(f"ip -n guest address add {address}/16 dev eth0" for address in addresses),
    ]
    done = rack.run_on_master(["sh", "-ec", "\n".join(commands)])
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_what_is_odd_in_a_rack_is_named_and_moves_nobody_else(
    faulty_rack: NamespaceRackProcess,
) -> None:
    room = faulty_rack
    reports = []
    with running_installer(room) as process:
        assert process.stdout is not None
        reports.append(process.stdout.readline())
        connect_guest(room, [f"10.23.255.{last}" for last in range(223, 231)])
        for line in process.stdout:
            reports.append(line)
            if json.loads(line).get("stacks_done") == 1:
                room.inject_fault("4/4", "reboot-once")
    done = NamespaceInstall(reports)
    dead = room.layout.stack(1).slots[1]
    assert done.result == {"state": "done", "trouble": ""}
    assert {mac: stack for mac, (stack, _) in inventory(room).items()} == {
        mac_of(slot): slot.stack for slot in room.layout.slots if slot != dead
    }
    assert done.last_report["missing"] == {"1": 1}
    assert done.last_report["strangers"] == [GUEST_MAC]
    assert (done.last_report["conflicts"], done.last_report["unplaced"]) == ({}, [])
    # In the stack of the dead one, the others fill the slots from the first on.
    assert (
        misaddressed_slots(room, [slot for slot in room.layout.slots if slot.stack != dead.stack])
        == []
    )
    assert f"DHCPREQUEST for {FOREIGN_ADDRESS} from b8:27:eb:23:04:01" in room.dhcpd_log
    assert "(evil) via eth9 (x) via br0" in room.dhcpd_log
    assert "DHCPDECLINE" in room.dhcpd_log
