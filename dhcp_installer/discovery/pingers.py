"""Pings: which of these addresses answer now, behind one small interface.

`IcmpPinger` is the real thing. `TcpPinger` is for racks whose rasps share the master's kernel, where every
address answers ICMP: there a port that opens is the sign of life.
"""

import errno
import selectors
import socket
import time
from collections.abc import Collection
from contextlib import ExitStack
from ipaddress import IPv4Address
from itertools import count
from typing import Protocol

from icmplib.exceptions import (
    ICMPLibError,
    ICMPSocketError,
    SocketPermissionError,
    TimeoutExceeded,
)
from icmplib.models import ICMPRequest
from icmplib.sockets import ICMPv4Socket

from dhcp_installer.errors import PingError

_ECHO_REPLY = 0
_RAW_SOCKET_ID = (
    0x5052  # of raw sockets, which hear everybody's replies; the kernel gives the others theirs
)
_SEQUENCE_COUNT = 1 << 16


class Pinger(Protocol):
    """Asks addresses whether they answer."""

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Ask each address once; return those that have answered within so many seconds.

        It takes these seconds, whether all answer at once or not, so that it may be called in a
        loop.

        Raises:
            PingError: nobody can be asked.
        """

    def close(self) -> None:
        """Let go of what it holds."""


def make_pinger(method: str) -> Pinger:
    """Return who pings by `icmp` or `tcp:PORT`.

    Raises:
        PingError: this process may not ping.
    """
    kind, _, port = method.partition(":")
    return TcpPinger(int(port)) if kind == "tcp" else IcmpPinger()


class IcmpPinger:
    """Echo requests, from one socket.

    The kernel's unprivileged sockets are tried first (net.ipv4.ping_group_range), then a raw one
    (CAP_NET_RAW).

    Raises:
        PingError: this process may use neither.
    """

    def __init__(self) -> None:
        self._sequence = count()
        try:
            try:
                self._socket = ICMPv4Socket(privileged=False)
            except SocketPermissionError:
                self._socket = ICMPv4Socket(privileged=True)
        except ICMPLibError as error:
            raise PingError(
                f"this user may not ping ({error}): give the installer CAP_NET_RAW, or this user's"
                " group a place in net.ipv4.ping_group_range"
            ) from error

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Ask by ICMP; see `Pinger`. A late answer to an earlier question counts."""
        deadline = time.monotonic() + seconds
        sequence = next(self._sequence) % _SEQUENCE_COUNT
        asked = {_RAW_SOCKET_ID}
        for address in addresses:
            request = ICMPRequest(str(address), id=_RAW_SOCKET_ID, sequence=sequence)
            try:
                self._socket.send(request)
            except ICMPSocketError:  # no route, or nobody there to be asked: no answer
                continue
            asked.add(request.id)
        answered: set[IPv4Address] = set()
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = self._socket.receive(timeout=left)
            except TimeoutExceeded:
                continue
            except ICMPSocketError:  # what the kernel says of an earlier question
                continue
            if reply.type == _ECHO_REPLY and reply.id in asked:
                answered.add(IPv4Address(reply.source))
        return answered.intersection(addresses)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpPinger:
    """Connections to a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Connect, and hang up at once; see `Pinger`."""
        deadline = time.monotonic() + seconds
        answered: set[IPv4Address] = set()
        with ExitStack() as stack, selectors.DefaultSelector() as selector:
            for address in addresses:
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                status = connection.connect_ex((str(address), self._port))
                if status == 0:
                    answered.add(address)
                elif status == errno.EINPROGRESS:
                    selector.register(connection, selectors.EVENT_WRITE, (connection, address))
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    connection, address = key.data
                    if not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        answered.add(address)
                    selector.unregister(connection)
        time.sleep(max(0.0, deadline - time.monotonic()))
        return answered

    def close(self) -> None:
        """Nothing is held."""
