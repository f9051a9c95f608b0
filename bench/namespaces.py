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

from bench.process_tree import measure_usage
from dhcp_installer.discovery.pingers import make_pinger
from rack.database import Database
from rack.inventory import Inventory
from tests.dhcp_installer.namespace_installs import run_install
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from virtual_rack.rasp import mac_of

_STACKS, _SLOTS = 12, 4
_POWER_ON_TARGET = 5.0
_INSTALL_RATIO_TARGET = 0.5
_ROUNDS = 5
_TIMEOUT_SECONDS = 60.0
# A sixth of real times, but for the cut: pings take theirs.
_BOOT_SECONDS = 6.0
_SCALED_INSTALL_TABLE = """
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
class InstallMeasurement:
    """An install's time, and how many rasps it put into a wrong stack, or into none."""

    seconds: float
    misplaced: int
    unplaced: int


def wait_until_all_answer(rack: NamespaceRackProcess) -> float:
    """Return the seconds until each rasp has answered a ping, by SSH and as an exporter."""
    began = time.monotonic()
    addresses = [str(slot.address) for slot in rack.layout.slots]
    ways: list[tuple[Callable[[str], object], set[str]]] = [
        (rack.answers_ssh, set(addresses)),
        (rack.scrape, set(addresses)),
    ]
    unpinged = {IPv4Address(each) for each in addresses}
    with rack.in_master_network():
        icmp = make_pinger("icmp")
    with ThreadPoolExecutor(8) as pool:
        while unpinged or any(waiting for _, waiting in ways):
            unpinged -= icmp.ping(unpinged, 0.05)
            for way, waiting in ways:
                asked = sorted(waiting)
                answers = zip(asked, pool.map(way, asked), strict=True)
                waiting -= {address for address, is_there in answers if is_there}
            if time.monotonic() - began > _TIMEOUT_SECONDS:
                raise SystemExit(f"not all answer after {_TIMEOUT_SECONDS:.0f} s")
    icmp.close()
    return time.monotonic() - began


def switch_all_stacks(rack: NamespaceRackProcess, power: str) -> None:
    """Switch all stacks, one after the other."""
    for stack in rack.layout.stacks:
        rack.switch_stack(stack.number, power)


def measure_power_on() -> tuple[list[float], float]:
    """Return the seconds from power to all answering, by round, and the memory taken."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_namespace_rack(
            Path(folder), "--boot-time", "0", stacks=_STACKS, slots=_SLOTS
        ) as room,
    ):
        wait_until_all_answer(room)
        seconds = []
        for _ in range(_ROUNDS):
            switch_all_stacks(room, "off")
            began = time.monotonic()
            switch_all_stacks(room, "on")
            wait_until_all_answer(room)
            seconds.append(time.monotonic() - began)
        return seconds, measure_usage(room.outer_process.pid).pss / 1e6


def measure_install(strategy: str, faults: Sequence[tuple[str, str]]) -> InstallMeasurement:
    """Install a new rack."""
    words = ("--new", "--boot-time", str(_BOOT_SECONDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        running_namespace_rack(
            Path(folder), *words, stacks=_STACKS, slots=_SLOTS, extra_tables=_SCALED_INSTALL_TABLE
        ) as room,
    ):
        for place, fault in faults:
            room.inject_fault(place, fault)
        began = time.monotonic()
        done = run_install(room, "--strategy", strategy, timeout=600)
        seconds = time.monotonic() - began
        if done.result["state"] != "done":
            raise SystemExit(f"{strategy}: {done.result}")
        rasps = Inventory(Database(room.state_folder / "pirack.db")).rasps()
        truth = {mac_of(slot): slot.stack for slot in room.layout.slots}
        placed = {rasp.mac: rasp.stack for rasp in rasps.values()}
        wrong = sum(truth[mac] != stack for mac, stack in placed.items())
        dead = sum(fault == "dead" for _, fault in faults)
        return InstallMeasurement(seconds, wrong, len(truth) - dead - len(placed))


def main() -> int:
    """Run the benchmark; return the exit status."""
    if os.geteuid() != 0:
        sys.stdout.write("A rack of network namespaces is measured as root alone: left out.\n")
        return 0
    seconds, taken = measure_power_on()
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
    missed = median > _POWER_ON_TARGET
    for name, faults in _FAULTS.items():
        other, cut = measure_install("one-by-one", faults), measure_install("cut", faults)
        ratio = cut.seconds / other.seconds
        missed |= cut.misplaced > 0 or ratio > _INSTALL_RATIO_TARGET
        cells = "".join(
            f" {each.seconds:.0f} s, {each.misplaced}, {each.unplaced} |" for each in (other, cut)
        )
        lines.append(f"| {name} |{cells} {ratio:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
