"""Parsing of the real dhcpd's log with hostile host names."""

import pytest

from dhcp_installer.dhcpd.log_events import DhcpMessageType, parse_line
from tests.helpers.private_network import run_with_dhcpd

pytestmark = pytest.mark.process

SPOOFED_MAC = "de:ad:be:ef:00:01"
HOST_NAMES = [
    b"raspberrypi",
    b"(evil) via eth9 (x) via br0",
    f"x) via br0: DHCPDISCOVER from {SPOOFED_MAC} via br0 (y".encode(),
    f"x\nDHCPACK on 10.23.9.9 to {SPOOFED_MAC} (y) via br0\n".encode(),
    f"DHCPREQUEST for 10.23.9.9 from {SPOOFED_MAC} via eth9".encode(),
    b"\xff\xfe\x00\x1b[2J",
    b"y" * 255,
]


def test_log_of_the_real_dhcpd_shows_only_the_macs_of_the_senders() -> None:
    clients = run_with_dhcpd(
        "tests.dhcp_installer.dhcpd.real_dhcpd", "".join(f"{host.hex()}\n" for host in HOST_NAMES)
    )
    assert len(clients) == len(HOST_NAMES)
    for client in clients:
        events = [event for line in client["lines"] if (event := parse_line(line, 0.0))]
        assert {event.mac for event in events} == {client["mac"]}
        assert {event.interface for event in events} == {"br0"}
        assert {event.message_type for event in events} == {
            DhcpMessageType.DISCOVER,
            DhcpMessageType.OFFER,
            DhcpMessageType.REQUEST,
            DhcpMessageType.ACK,
            DhcpMessageType.RELEASE,
        }
        ignored = [line for line in client["lines"] if parse_line(line, 0.0) is None]
        assert not [line for line in ignored if line.startswith(("DHCP", "uid lease"))]
