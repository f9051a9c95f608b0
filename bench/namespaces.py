"""How long a rack of network namespaces takes to come up, and to be installed: real programs.

`python -m bench.namespaces` prints two tables in Markdown, and ends with 1 if a bar is missed: 48
rasps that boot in no time must all answer within 5 s, and an install by `cut` must put nobody into
a wrong stack and take half as long as one by `one-by-one`, or less. It needs root.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench.process_tree import usage
from dhcp_installer.pings import pinger
from rack.database import Database
from rack.inventory import Inventory
from tests.dhcp_installer.installs import install
from tests.virtual_rack.room_of_namespaces import Room, a_room
from virtual_rack.rasp import mac_of

_STACKS, _SLOTS = 12, 4
_POWER_BAR = 5.0
_INSTALL_BAR = 0.5
_ROUNDS = 5
_PATIENCE = 60.0
# A sixth of real times, but for the cut: pings take theirs.
_BOOT_SECONDS = 6.0
_SCALED = """
[install]
timeout_seconds = 15
cut_seconds = 2
stagger_seconds = 0.2
"""
_FAULTS = {
    "no fault": (),
    "one dead, one slow, one reboots": (("3/2", "dead"), ("6/1", "slow"), ("9/4", "reboot-once")),
}


@dataclass(frozen=True)
class Installed:
    """An install's time, and how many rasps it put into a wrong stack, or into none."""

    seconds: float
    wrong: int
    lost: int


def until_all_answer(room: Room) -> float:
    """Return the seconds until each rasp has answered a ping, by SSH and as an exporter."""
    began = time.monotonic()
    addresses = [str(slot.address) for slot in room.layout.slots]
    ways: list[tuple[Callable[[str], object], set[str]]] = [
        (room.speaks_ssh, set(addresses)),
        (room.scrape, set(addresses)),
    ]
    unpinged = {IPv4Address(each) for each in addresses}
    with room.on_the_master():
        icmp = pinger("icmp")
    with ThreadPoolExecutor(8) as pool:
        while unpinged or any(waiting for _, waiting in ways):
            unpinged -= icmp.ping(unpinged, 0.05)
            for way, waiting in ways:
                asked = sorted(waiting)
                answers = zip(asked, pool.map(way, asked), strict=True)
                waiting -= {address for address, is_there in answers if is_there}
            if time.monotonic() - began > _PATIENCE:
                raise SystemExit(f"not all answer after {_PATIENCE:.0f} s")
    icmp.close()
    return time.monotonic() - began


def switch_all(room: Room, power: str) -> None:
    """Switch all stacks, one after the other."""
    for stack in room.layout.stacks:
        room.power(stack.number, power)


def come_up() -> tuple[list[float], float]:
    """Return the seconds from power to all answering, by round, and the memory taken."""
    with (
        tempfile.TemporaryDirectory() as folder,
        a_room(Path(folder), "--boot-time", "0", stacks=_STACKS, slots=_SLOTS) as room,
    ):
        until_all_answer(room)
        seconds = []
        for _ in range(_ROUNDS):
            switch_all(room, "off")
            began = time.monotonic()
            switch_all(room, "on")
            until_all_answer(room)
            seconds.append(time.monotonic() - began)
        return seconds, usage(room.outer.pid).pss / 1e6


def installed(strategy: str, faults: Sequence[tuple[str, str]]) -> Installed:
    """Install a new rack."""
    words = ("--new", "--boot-time", str(_BOOT_SECONDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        a_room(Path(folder), *words, stacks=_STACKS, slots=_SLOTS, tables=_SCALED) as room,
    ):
        for place, fault in faults:
            room.put_on(place, fault)
        began = time.monotonic()
        done = install(room, "--strategy", strategy, seconds=600)
        seconds = time.monotonic() - began
        if done.end["state"] != "done":
            raise SystemExit(f"{strategy}: {done.end}")
        rasps = Inventory(Database(room.state / "pirack.db")).rasps()
        truth = {mac_of(slot): slot.stack for slot in room.layout.slots}
        placed = {rasp.mac: rasp.stack for rasp in rasps.values()}
        wrong = sum(truth[mac] != stack for mac, stack in placed.items())
        dead = sum(fault == "dead" for _, fault in faults)
        return Installed(seconds, wrong, len(truth) - dead - len(placed))


def main() -> int:
    """Run the benchmark; return the exit status."""
    if os.geteuid() != 0:
        sys.stdout.write("A rack of network namespaces is measured as root alone: left out.\n")
        return 0
    seconds, taken = come_up()
    median = statistics.median(seconds)
    lines = [
        f"| {_STACKS * _SLOTS} rasps | best | median | worst | memory (PSS) |",
        "|---|---:|---:|---:|---:|",
        f"| from power to all answering | {min(seconds):.1f} s | {median:.1f} s"
        f" | {max(seconds):.1f} s | {taken:.0f} MB |",
        "",
        "| fault | `one-by-one` | `cut` | `cut`, of the other |",
        "|---|---:|---:|---:|",
    ]
    missed = median > _POWER_BAR
    for name, faults in _FAULTS.items():
        other, cut = installed("one-by-one", faults), installed("cut", faults)
        ratio = cut.seconds / other.seconds
        missed |= cut.wrong > 0 or ratio > _INSTALL_BAR
        cells = "".join(
            f" {each.seconds:.0f} s, {each.wrong}, {each.lost} |" for each in (other, cut)
        )
        lines.append(f"| {name} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
