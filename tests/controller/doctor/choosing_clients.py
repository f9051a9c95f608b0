"""The real dhcpd, and clients that choose another server and then this one.

This program is for a network namespace. It prints two lines of JSON: the log lines while the other
server is on the network, and those of later.
"""

import json
import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_sources import ProcessLog
from tests.dhcp_installer.dhcpd.real_dhcpd import REQUEST, SERVER, TIMEOUT, frame, running_dhcpd

OTHER = IPv4Address("192.168.7.1")
MACS = [bytes.fromhex(f"b827eb00000{number}") for number in (1, 2)]


def request(mac: bytes, address: str, server: IPv4Address) -> bytes:
    """Return a request for an address that a server has offered."""
    packet = frame(mac, REQUEST, b"rasp", IPv4Address(address))
    return packet.replace(b"\x36\x04" + SERVER.packed, b"\x36\x04" + server.packed)


def send_all(
    log: ProcessLog, client: socket.socket, server: IPv4Address, prefix: str
) -> Sequence[str]:
    lines: list[str] = []
    for number, mac in enumerate(MACS, 1):
        client.send(request(mac, f"{prefix}.{number}", server))
        while not any("DHCPREQUEST" in line and mac.hex(":") in line for line in lines):
            lines += log.read(timeout=TIMEOUT)
    return lines


def main() -> None:
    with running_dhcpd() as (log, client):
        for server, prefix in ((OTHER, "192.168.7"), (SERVER, "10.23.9")):
            lines = send_all(log, client, server, prefix)
            sys.stdout.write(json.dumps(lines) + "\n")


if __name__ == "__main__":
    main()
