"""Pingers on real sockets."""

import socket
import subprocess
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address
from unittest.mock import Mock

import pytest
from icmplib.exceptions import ICMPSocketError
from icmplib.models import ICMPRequest
from icmplib.sockets import ICMPv4Socket

from dhcp_installer.discovery.pingers import IcmpPinger, TcpPinger, make_pinger
from tests.helpers.waiting import TIMEOUT_SECONDS

LOOPBACK = [IPv4Address(f"127.99.0.{last}") for last in range(1, 49)]
UNUSED_ADDRESS = IPv4Address("127.99.1.1")


def test_tcp_ping_succeeds_only_if_the_port_is_open() -> None:
    with socket.create_server((str(LOOPBACK[0]), 0), backlog=128) as server:
        port = server.getsockname()[1]
        assert TcpPinger(port).ping([LOOPBACK[0], UNUSED_ADDRESS], 0.1) == {LOOPBACK[0]}


def test_tcp_ping_to_an_unreachable_address_fails() -> None:
    assert (
        TcpPinger(9848).ping([IPv4Address("255.255.255.255"), IPv4Address("224.0.0.1")], 0.1)
        == set()
    )


def test_ping_always_takes_the_given_time() -> None:
    for addresses in ([], [UNUSED_ADDRESS]):
        start = time.monotonic()
        assert TcpPinger(9).ping(addresses, 0.2) == set()
        assert time.monotonic() - start >= 0.2


def test_tcp_ping_does_not_wait_for_dropped_packets() -> None:
    """A full backlog drops packets, like a rasp that is off."""
    with socket.create_server((str(UNUSED_ADDRESS), 0), backlog=0) as server:
        address = server.getsockname()
        connections = [socket.socket() for _ in range(4)]
        for connection in connections:
            connection.setblocking(False)
            connection.connect_ex(address)
        start = time.monotonic()
        assert TcpPinger(address[1]).ping([UNUSED_ADDRESS], 0.2) == set()
        assert time.monotonic() - start < 60  # the kernel gives up after two minutes
        for connection in connections:
            connection.close()


def test_replies_are_read_after_the_end_of_a_ping() -> None:
    """Simulates a process that was too busy to read the replies in time."""
    with socket.create_server((str(LOOPBACK[0]), 0), backlog=128) as server:
        assert TcpPinger(server.getsockname()[1]).ping([LOOPBACK[0]], 0.0) == {LOOPBACK[0]}
    with closing(IcmpPinger()) as icmp:
        assert icmp.ping(LOOPBACK, 0.0) == set(LOOPBACK)


def send_nothing(icmp_socket: ICMPv4Socket, request: ICMPRequest) -> None:
    assert icmp_socket._sock is not None
    request._id = icmp_socket._sock.getsockname()[1]  # as `send` for an unprivileged socket


def test_reply_to_an_earlier_ping_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, a rasp without power would seem to reply."""
    with closing(IcmpPinger()) as icmp:
        with monkeypatch.context() as patch:
            patch.setattr(ICMPv4Socket, "receive", Mock(side_effect=ICMPSocketError))
            assert icmp.ping([LOOPBACK[0]], 0.0) == set()  # the reply stays in the socket
        with monkeypatch.context() as patch:
            patch.setattr(ICMPv4Socket, "send", send_nothing)
            assert icmp.ping([LOOPBACK[0]], 0.0) == set()


def test_icmp_pings_all_rasps_of_a_rack_at_once() -> None:
    with closing(make_pinger("icmp")) as icmp:
        for _ in range(3):
            assert icmp.ping(LOOPBACK, 0.5) == set(LOOPBACK)


def test_icmp_ping_without_a_route_fails() -> None:
    with closing(IcmpPinger()) as icmp:
        assert icmp.ping([IPv4Address("240.0.0.1"), LOOPBACK[0]], 0.3) == {LOOPBACK[0]}


def test_make_pinger_returns_the_pinger_of_the_method() -> None:
    assert isinstance(make_pinger("tcp:9848"), TcpPinger)


UNPRIVILEGED_SCRIPT = """
import os
from dhcp_installer.errors import PingError
from dhcp_installer.discovery.pingers import IcmpPinger
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    IcmpPinger()
except PingError as error:
    print(error)
else:
    print("allowed")
"""


@pytest.mark.process
def test_missing_ping_permission_is_reported_with_a_fix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED_SCRIPT],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    # Some systems allow all groups to ping.
    assert "CAP_NET_RAW" in done.stdout or done.stdout == "allowed\n", done.stderr
