"""Installs on a rack of network namespaces: real dhcpd, real clients, real pings, scaled times."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dhcp_installer import sightings
from dhcp_installer.sightings import Kind
from rack.database import Database
from rack.inventory import Inventory
from rack.layout import Slot
from tests.dhcp_installer.installs import Install, an_install, install
from tests.virtual_rack.room_of_namespaces import Room, a_room
from tests.waiting import SECONDS, until
from virtual_rack.dhcp_clients import FOREIGN_ADDRESS
from virtual_rack.programs import find
from virtual_rack.rasp import mac_of

# Boots take seconds, a cut as long as in a real rack, for pings take their time. Time-outs are for
# machines that have much else to do: nothing waits for them but what a dead rasp keeps waiting.
SCALED = """
[install]
timeout_seconds = {timeout}
stagger_seconds = 0.1
"""
GUEST = "3c:22:fb:00:00:01"


def inventory(room: Room) -> dict[str, tuple[int, int]]:
    rasps = Inventory(Database(room.state / "pirack.db")).rasps()
    return {rasp.mac: place for place, rasp in rasps.items()}


def leases(room: Room) -> dict[str, str]:
    """The address that each MAC was given last."""
    seen = [each for line in room.dhcpd_log.splitlines() if (each := sightings.parse(line, 0.0))]
    return {each.mac: str(each.address) for each in seen if each.kind is Kind.ACK}


def astray(room: Room, slots: Iterable[Slot]) -> list[str]:
    """Return those slots at whose address another one answers than its own rasp, or nobody."""
    answering = [slot for slot in slots if room.speaks_ssh(str(slot.address))]
    with room.on_the_master():
        neighbours = subprocess.run(
            [*find("ip").words, "neighbour"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout
    own = {s for s in answering if f"{s.address} dev br0 lladdr {mac_of(s)} " in neighbours}
    return [slot.name for slot in slots if slot not in own]


@pytest.mark.timeout(300)
def test_a_whole_rack_is_installed(tmp_path: Path) -> None:
    words = ("--new", "--boot-time", "1")
    tables = SCALED.format(timeout=60)
    with a_room(tmp_path, *words, stacks=12, slots=4, tables=tables) as room:
        done = install(room)
        assert done.end == {"state": "done", "trouble": ""}
        slots = room.layout.slots
        assert inventory(room) == {mac_of(slot): (slot.stack, slot.number) for slot in slots}
        assert astray(room, slots) == []


@pytest.fixture
def odd_rack(tmp_path: Path) -> Iterator[Room]:
    """A rack that has not been installed, in which much is odd, and which has a guest."""
    words = ("--new", "--boot-time", "1.5", "--link-time", "1")
    tables = SCALED.format(timeout=16)
    with a_room(tmp_path, *words, stacks=4, slots=4, tables=tables) as room:
        until(lambda: len(leases(room)) == 16)
        room.put_on("1/2", "dead")
        room.put_on("2/3", "slow")
        room.put_on("3", "hostile-hostname")
        room.put_on("4/1", "foreign-lease")
        yield room


def plug_in_a_guest(room: Room, occupied: list[str]) -> None:
    """Bring a laptop, which asks for an address, and has some that nobody gave it."""
    script = Path(sys.modules["virtual_rack"].__path__[0]) / "rasp_init" / "lease.sh"
    udhcpc = find("udhcpc")
    inside = "nsenter --net=/run/netns/guest"
    commands = [
        "ip netns add guest",
        f"ip link add port-guest type veth peer name eth0 address {GUEST} netns guest",
        "ip link set port-guest master br0 up",
        "ip -n guest link set eth0 up",
        f"{inside} {udhcpc.path} -q -f -i eth0 -s {script} >/dev/null 2>&1",
        *(f"ip -n guest address add {address}/16 dev eth0" for address in occupied),
    ]
    done = room.enter(["sh", "-ec", "\n".join(commands)])
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_what_is_odd_in_a_rack_is_named_and_moves_nobody_else(odd_rack: Room) -> None:
    room = odd_rack
    reports = []
    with an_install(room) as process:
        assert process.stdout is not None
        reports.append(process.stdout.readline())
        plug_in_a_guest(room, [f"10.23.255.{last}" for last in range(223, 231)])
        for line in process.stdout:
            reports.append(line)
            if json.loads(line).get("stacks_done") == 1:
                room.put_on("4/4", "reboot-once")
    done = Install(reports)
    dead = room.layout.stack(1).slots[1]
    assert done.end == {"state": "done", "trouble": ""}
    assert {mac: stack for mac, (stack, _) in inventory(room).items()} == {
        mac_of(slot): slot.stack for slot in room.layout.slots if slot != dead
    }
    assert done.last["missing"] == {"1": 1}
    assert done.last["strangers"] == [GUEST]
    assert (done.last["conflicts"], done.last["unplaced"]) == ({}, [])
    # In the stack of the dead one, the others fill the slots from the first on.
    assert astray(room, [slot for slot in room.layout.slots if slot.stack != dead.stack]) == []
    assert f"DHCPREQUEST for {FOREIGN_ADDRESS} from b8:27:eb:23:04:01" in room.dhcpd_log
    assert "(evil) via eth9 (x) via br0" in room.dhcpd_log
    assert "DHCPDECLINE" in room.dhcpd_log
