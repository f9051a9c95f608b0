"""Measure power-on and install of a namespace rack with real programs.

`python -m bench.namespaces` prints two Markdown tables, and exits with 1 if a target is missed. All
48 rasps, which have no boot time, must respond within 5 s. An install with `cut` must place no rasp
in a wrong stack, and take at most half the time of `one-by-one`. The benchmark requires root.

The same install is measured on a rack whose rasps are powered by the ports of a PoE switch. It must
place no rasp in a wrong slot.
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
from tests.dhcp_installer.namespace_installs import rewire_ports, run_install
from tests.helpers.poe_layouts import poe_stacks, poe_table
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess, running_namespace_rack
from virtual_rack.rasp import mac_of

_STACKS, _SLOTS = 12, 4
_POWER_ON_TARGET = 5.0
_INSTALL_RATIO_TARGET = 0.5
_ROUNDS = 5
_TIMEOUT_SECONDS = 60.0
# A sixth of the real durations. `cut_seconds` is longer, because each ping takes a minimum time.
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
    """Duration of an install, and the counts of misplaced and unplaced rasps.

    A misplaced rasp is in a wrong stack or, if each slot has an outlet of its own, in a wrong slot.
    """

    seconds: float
    misplaced: int
    unplaced: int


def wait_until_all_answer(rack: NamespaceRackProcess) -> float:
    """Return the seconds until each rasp responds to ping, SSH and scrapes."""
    start = time.monotonic()
    addresses = [str(slot.address) for slot in rack.layout.slots]
    checks: list[tuple[Callable[[str], object], set[str]]] = [
        (rack.answers_ssh, set(addresses)),
        (rack.scrape, set(addresses)),
    ]
    unpinged = {IPv4Address(address) for address in addresses}
    with rack.in_master_network():
        icmp = make_pinger("icmp")
    with ThreadPoolExecutor(8) as pool:
        while unpinged or any(pending for _, pending in checks):
            unpinged -= icmp.ping(unpinged, 0.05)
            for check, pending in checks:
                checked = sorted(pending)
                results = zip(checked, pool.map(check, checked), strict=True)
                pending -= {address for address, is_responding in results if is_responding}
            if time.monotonic() - start > _TIMEOUT_SECONDS:
                raise SystemExit(f"not all rasps respond after {_TIMEOUT_SECONDS:.0f} s")
    icmp.close()
    return time.monotonic() - start


def switch_all_stacks(rack: NamespaceRackProcess, power: str) -> None:
    """Switch all stacks, one after another."""
    for stack in rack.layout.stacks:
        rack.switch_stack(stack.number, power)


def measure_power_on() -> tuple[list[float], float]:
    """Return the seconds from power-on until all rasps respond, for each round, and the MB used."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_namespace_rack(
            Path(folder), "--boot-time", "0", stacks=_STACKS, slots=_SLOTS
        ) as rack,
    ):
        wait_until_all_answer(rack)
        seconds = []
        for _ in range(_ROUNDS):
            switch_all_stacks(rack, "off")
            start = time.monotonic()
            switch_all_stacks(rack, "on")
            wait_until_all_answer(rack)
            seconds.append(time.monotonic() - start)
        return seconds, measure_usage(rack.outer_process.pid).pss / 1e6


def measure_install(
    strategy: str, faults: Sequence[tuple[str, str]], *, has_poe: bool = False
) -> InstallMeasurement:
    """Install a new rack with a strategy and faults, with relays or a port for each rasp."""
    options = ("--new", "--boot-time", str(_BOOT_SECONDS))
    with (
        tempfile.TemporaryDirectory() as folder,
        running_namespace_rack(
            Path(folder),
            *options,
            stacks=poe_stacks(_STACKS, _SLOTS) if has_poe else _STACKS,
            slots=_SLOTS,
            extra_tables=_SCALED_INSTALL_TABLE + (poe_table(Path(folder)) if has_poe else ""),
        ) as rack,
    ):
        mac_by_name = (
            rewire_ports(rack, seed=_STACKS)
            if has_poe
            else {slot.name: mac_of(slot) for slot in rack.layout.slots}
        )
        for target, fault in faults:
            rack.inject_fault(target, fault)
        start = time.monotonic()
        install = run_install(rack, "--strategy", strategy, timeout=600)
        seconds = time.monotonic() - start
        if install.result["state"] != "done":
            raise SystemExit(f"{strategy}: {install.result}")
        rasps = Inventory(Database(rack.state_folder / "pirack.db")).rasps()
        places = {mac: name if has_poe else name[:2] for name, mac in mac_by_name.items()}
        misplaced = sum(not rasp.name.startswith(places[rasp.mac]) for rasp in rasps.values())
        dead = sum(fault == "dead" for _, fault in faults)
        return InstallMeasurement(seconds, misplaced, len(mac_by_name) - dead - len(rasps))


def main() -> int:
    """Run the benchmark. Return the exit status."""
    if os.geteuid() != 0:
        sys.stdout.write("Skipped: network namespaces require root.\n")
        return 0
    seconds, memory = measure_power_on()
    median = statistics.median(seconds)
    lines = [
        f"| {_STACKS * _SLOTS} rasps | best | median | worst | memory (PSS) |",
        "|---|---:|---:|---:|---:|",
        f"| power on until all respond | {min(seconds):.1f} s | {median:.1f} s"
        f" | {max(seconds):.1f} s | {memory:.0f} MB |",
        "",
        "| fault | `one-by-one` | `cut` | `cut`, relative to `one-by-one` | `cut` with PoE |",
        "|---|---:|---:|---:|---:|",
    ]
    missed = median > _POWER_ON_TARGET
    for name, faults in _FAULTS.items():
        other, cut = measure_install("one-by-one", faults), measure_install("cut", faults)
        poe = measure_install("cut", faults, has_poe=True)
        ratio = cut.seconds / other.seconds
        missed |= cut.misplaced + poe.misplaced > 0 or ratio > _INSTALL_RATIO_TARGET
        other_cell, cut_cell, poe_cell = (
            f" {install.seconds:.0f} s, {install.misplaced}, {install.unplaced} |"
            for install in (other, cut, poe)
        )
        lines.append(f"| {name} |{other_cell}{cut_cell} {ratio:.2f} |{poe_cell}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
