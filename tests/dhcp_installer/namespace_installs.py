"""Installs of a rack of network namespaces with `python -m dhcp_installer`."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from rack.layout_file import load
from tests.virtual_rack.namespace_rack_process import NamespaceRackProcess
from virtual_rack.rasp import mac_of


class NamespaceInstall:
    """The last report and the result of an install, from its lines of JSON."""

    def __init__(self, lines: Sequence[str]) -> None:
        *reports, self.result = map(json.loads, lines)
        self.last_report: Mapping[str, Any] = reports[-1]


@contextmanager
def running_installer(
    rack: NamespaceRackProcess, *options: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run the installer on the master until the block ends."""
    dhcpd = rack.state_folder / "dhcpd"
    with rack.running_on_master(
        *(sys.executable, "-m", "dhcp_installer", "--yes", "--json"),
        *("--rack", str(rack.rack_toml), "--db", str(rack.state_folder / "pirack.db")),
        *("--dhcpd-conf", str(dhcpd / "dhcpd.conf"), "--dhcp-log", f"file:{dhcpd / 'dhcpd.log'}"),
        *options,
    ) as process:
        yield process


def run_install(
    rack: NamespaceRackProcess, *options: str, timeout: float = 600.0
) -> NamespaceInstall:
    """Install a rack and return the result."""
    with running_installer(rack, *options) as process:
        output, _ = process.communicate(timeout=timeout)
        return NamespaceInstall(output.splitlines())


def rewire_ports(rack: NamespaceRackProcess, seed: int) -> dict[str, str]:
    """Connect the ports to the slots in a random order. Return the MAC address in each slot.

    The virtual rack keeps its wiring: the rasp at each port is the same as before.
    """
    slots = rack.layout.slots
    ports = [outlet.address for outlet in rack.layout.outlets]
    mac_by_port = {port: mac_of(slot) for port, slot in zip(ports, slots, strict=True)}
    shuffled = ports.copy()
    Random(seed).shuffle(shuffled)
    text = rack.rack_toml.read_text()
    for old, new in zip(ports, shuffled, strict=True):
        text = text.replace(f'"poe:{old}"', f'"poe:new {new}"')
    rack.rack_toml.write_text(text.replace("poe:new ", "poe:"))
    outlets = load(rack.rack_toml).outlets
    return {outlet.name: mac_by_port[outlet.address] for outlet in outlets}
