"""Pings, over real sockets."""

import socket
import subprocess
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address

from dhcp_installer.discovery.pingers import IcmpPinger, TcpPinger, make_pinger

LOOPBACK = [IPv4Address(f"127.99.0.{last}") for last in range(1, 49)]
UNUSED_ADDRESS = IPv4Address("127.99.1.1")


def test_a_port_that_opens_is_a_sign_of_life_and_one_that_does_not_is_none() -> None:
    with socket.create_server((str(LOOPBACK[0]), 0), backlog=128) as server:
        port = server.getsockname()[1]
        assert TcpPinger(port).ping([LOOPBACK[0], UNUSED_ADDRESS], 0.1) == {LOOPBACK[0]}


def test_an_address_that_cannot_be_reached_gives_no_sign_of_life() -> None:
    """Neither a refusal nor any other error is an answer."""
    assert (
        TcpPinger(9848).ping([IPv4Address("255.255.255.255"), IPv4Address("224.0.0.1")], 0.1)
        == set()
    )


def test_a_round_takes_its_time_also_where_all_answer_at_once_or_nobody_is_asked() -> None:
    for addresses in ([], [UNUSED_ADDRESS]):
        began = time.monotonic()
        assert TcpPinger(9).ping(addresses, 0.2) == set()
        assert time.monotonic() - began >= 0.2


def test_who_does_not_even_refuse_is_not_waited_for() -> None:
    """A full backlog drops what comes, as a rasp does that is off."""
    with socket.create_server((str(UNUSED_ADDRESS), 0), backlog=0) as server:
        address = server.getsockname()
        taken = [socket.socket() for _ in range(4)]
        for each in taken:
            each.setblocking(False)
            each.connect_ex(address)
        began = time.monotonic()
        assert TcpPinger(address[1]).ping([UNUSED_ADDRESS], 0.2) == set()
        assert time.monotonic() - began < 5
        for each in taken:
            each.close()


def test_all_rasps_of_a_rack_are_asked_by_icmp_in_one_round() -> None:
    with closing(make_pinger("icmp")) as icmp:
        for _ in range(3):
            assert icmp.ping(LOOPBACK, 0.5) == set(LOOPBACK)


def test_an_address_without_a_route_answers_not() -> None:
    with closing(IcmpPinger()) as icmp:
        assert icmp.ping([IPv4Address("240.0.0.1"), LOOPBACK[0]], 0.3) == {LOOPBACK[0]}


def test_the_way_is_chosen_by_name() -> None:
    assert isinstance(make_pinger("tcp:9848"), TcpPinger)


UNPRIVILEGED_SCRIPT = """
import os
from dhcp_installer.errors import PingError
from dhcp_installer.discovery.pingers import Icmp
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Icmp()
except PingError as error:
    print(error)
else:
    print("may ping")
"""


def test_who_may_not_ping_is_told_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED_SCRIPT],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # Some systems let every user's group ping.
    assert "CAP_NET_RAW" in done.stdout or done.stdout == "may ping\n", done.stderr
