"""Real dhcpd and clients with hostile host names, for a network namespace.

Each line of standard input is the host name of a client in hexadecimal. For each client, this
program prints a line of JSON with the client's MAC address and the log lines of its lease.
"""

import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from dhcp_installer.dhcpd.log_events import DhcpMessageType, parse_line
from dhcp_installer.dhcpd.log_sources import ProcessLog
from tools.programs import find

DHCPD_CONF = """
ping-check false;
subnet 10.23.0.0 netmask 255.255.0.0 { authoritative; range 10.23.9.1 10.23.9.99; }
"""
SERVER = IPv4Address("10.23.0.1")
DISCOVER, REQUEST, RELEASE = 1, 3, 7  # RFC 2132, 9.6
TIMEOUT = 120.0  # on a busy machine


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(mac: bytes, message_type: int, host_name: bytes, address: IPv4Address | None) -> bytes:
    """Return a client message (RFC 2131) in an Ethernet broadcast frame."""
    own = address.packed if address and message_type == RELEASE else bytes(4)
    bootp = struct.pack("!4BIHH4s12x16s192x4s", 1, 1, 6, 0, 7, 0, 0x8000, own, mac, b"\x63\x82Sc")
    bootp += bytes([53, 1, message_type, 12, len(host_name)]) + host_name
    if address and message_type == REQUEST:
        bootp += bytes([50, 4]) + address.packed
    if address:
        bootp += bytes([54, 4]) + SERVER.packed
    bootp += b"\xff"
    udp = struct.pack("!4H", 68, 67, 8 + len(bootp), 0) + bootp
    to = SERVER.packed if own.strip(b"\0") else b"\xff" * 4
    ip = struct.pack("!2B3H2BH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, own, to)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + ip + udp


def read_until(
    log: ProcessLog, message_type: DhcpMessageType, mac: str, lines: list[str]
) -> IPv4Address | None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        new_lines: Sequence[str] = log.read(timeout=0.5)
        lines += new_lines
        for line in new_lines:
            event = parse_line(line, 0.0)
            if event and event.mac == mac and event.message_type is message_type:
                return event.address
    raise SystemExit(f"no {message_type} for {mac} in {TIMEOUT:.0f} s: {lines}")


@contextmanager
def running_dhcpd() -> Iterator[tuple[ProcessLog, socket.socket]]:
    """Run dhcpd in this network namespace. Yield its log, and a socket of the network."""
    for command in (
        "link add br0 type veth peer name client",
        "addr add 10.23.0.1/16 dev br0",
        "link set br0 up",
        "link set client up",
    ):
        subprocess.run(["ip", *command.split()], check=True, timeout=TIMEOUT)
    dhcpd = find("dhcpd")
    with tempfile.TemporaryDirectory() as folder:
        conf, leases = Path(folder, "dhcpd.conf"), Path(folder, "leases")
        conf.write_text(DHCPD_CONF)
        leases.touch()
        argv = [
            str(dhcpd.path), "-4", "-d", "-f", "--no-pid",
            "-cf", str(conf), "-lf", str(leases), "br0",
        ]  # fmt: skip
        with (
            ProcessLog(argv, env=dhcpd.environment) as log,
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as client,
        ):
            client.bind(("client", 0))
            startup: list[str] = []
            while not any("Server starting service" in line for line in startup):
                startup += log.read(timeout=TIMEOUT)
            yield log, client


def main() -> None:
    with running_dhcpd() as (log, client):
        for number, text in enumerate(sys.stdin, start=1):
            name = bytes.fromhex(text)
            raw = bytes.fromhex("b827eb0000") + bytes([number])
            mac = raw.hex(":")
            lines: list[str] = []
            client.send(frame(raw, DISCOVER, name, None))
            address = read_until(log, DhcpMessageType.OFFER, mac, lines)
            client.send(frame(raw, REQUEST, name, address))
            read_until(log, DhcpMessageType.ACK, mac, lines)
            client.send(frame(raw, RELEASE, name, address))
            read_until(log, DhcpMessageType.RELEASE, mac, lines)
            sys.stdout.write(json.dumps({"mac": mac, "lines": lines}) + "\n")


if __name__ == "__main__":
    main()
