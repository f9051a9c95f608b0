"""What the real dhcpd logs of clients with hostile host names, and what is read from it."""

import json
import os
import subprocess
import sys

import pytest

from dhcp_installer.sightings import Kind, parse
from virtual_rack.programs import find

EVIL = "de:ad:be:ef:00:01"
HOSTS = [
    b"raspberrypi",
    b"(evil) via eth9 (x) via br0",
    f"x) via br0: DHCPDISCOVER from {EVIL} via br0 (y".encode(),
    f"x\nDHCPACK on 10.23.9.9 to {EVIL} (y) via br0\n".encode(),
    f"DHCPREQUEST for 10.23.9.9 from {EVIL} via eth9".encode(),
    b"\xff\xfe\x00\x1b[2J",
    b"y" * 255,
]
NAMESPACE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-Urn"]


def test_a_real_dhcpd_and_hostile_clients_show_no_mac_but_the_senders() -> None:
    find("dhcpd")  # skips where there is none
    probe = subprocess.run(
        [*NAMESPACE, "true"], capture_output=True, text=True, timeout=20, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"no network namespace for this user: {probe.stderr.strip()}")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "tests.dhcp_installer.real_dhcpd"],
        input="".join(f"{host.hex()}\n" for host in HOSTS),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    clients = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(clients) == len(HOSTS)
    for client in clients:
        seen = [each for line in client["lines"] if (each := parse(line, 0.0))]
        assert {each.mac for each in seen} == {client["mac"]}
        assert {each.interface for each in seen} == {"br0"}
        assert {each.kind for each in seen} == {
            Kind.DISCOVER, Kind.OFFER, Kind.REQUEST, Kind.ACK, Kind.RELEASE,
        }  # fmt: skip
        unread = [line for line in client["lines"] if parse(line, 0.0) is None]
        assert not [line for line in unread if line.startswith(("DHCP", "uid lease"))]
