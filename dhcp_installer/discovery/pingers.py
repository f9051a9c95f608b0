"""Pingers by ICMP and by TCP.

TCP is for virtual racks whose rasps share the kernel of the master. This kernel replies to all ICMP
pings.
"""

import errno
import select
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
_RAW_SOCKET_ID = 0x5052  # identifies replies; the kernel sets the id of unprivileged sockets
_SEQUENCE_COUNT = 1 << 16
_PACKET_SECONDS = 1.0  # to read a packet that is there, also in a busy process
_MAX_RECEIVE_SECONDS = 5.0  # extra time to read replies after the end of a ping


class Pinger(Protocol):
    """Sends pings."""

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Ping each address once. Return the addresses that reply to this ping within `seconds`.

        The call always takes `seconds`, so that the caller can repeat it in a loop. Replies that
        arrived in time count even if this process was too busy to read the replies in time.

        Raises:
            PingError: If pings cannot be sent.
        """

    def close(self) -> None:
        """Release the resources."""


def make_pinger(method: str) -> Pinger:
    """Return a pinger for a method, `icmp` or `tcp:PORT`.

    Raises:
        PingError: If this process is not allowed to ping.
    """
    kind, _, port = method.partition(":")
    return TcpPinger(int(port)) if kind == "tcp" else IcmpPinger()


class IcmpPinger:
    """A pinger by ICMP echo requests from one socket.

    Uses an unprivileged socket (net.ipv4.ping_group_range) or else a raw socket (CAP_NET_RAW).

    Raises:
        PingError: If this process may open neither socket.
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
                f"this user is not allowed to ping ({error}): grant CAP_NET_RAW, or add a group of"
                " this user to net.ipv4.ping_group_range"
            ) from error
        self._poll = select.poll()
        self._poll.register(self._socket.sock, select.POLLIN)

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Ping by ICMP. Replies to earlier pings are ignored."""
        sequence = next(self._sequence) % _SEQUENCE_COUNT
        ids = {_RAW_SOCKET_ID}
        for address in addresses:
            request = ICMPRequest(str(address), id=_RAW_SOCKET_ID, sequence=sequence)
            try:
                self._socket.send(request)
            except ICMPSocketError:  # for example no route
                continue
            ids.add(request.id)
        deadline = time.monotonic() + seconds
        replied: set[IPv4Address] = set()
        expected = set(addresses)
        while (remaining := deadline - time.monotonic()) > -_MAX_RECEIVE_SECONDS:
            is_over = remaining <= 0
            if is_over and replied >= expected:
                break
            if not self._has_packet(max(remaining, 0.0)):
                if is_over:
                    break
                continue
            try:
                reply = self._socket.receive(timeout=_PACKET_SECONDS)
            except (TimeoutExceeded, ICMPSocketError):  # or an ICMP error for an earlier request
                continue
            if (reply.type, reply.sequence) == (_ECHO_REPLY, sequence) and reply.id in ids:
                replied.add(IPv4Address(reply.source))
        return replied & expected

    def _has_packet(self, seconds: float) -> bool:
        """Wait for a packet. `receive` discards packets that it reads after its timeout."""
        return bool(self._poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpPinger:
    """A pinger that opens TCP connections to a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ping(self, addresses: Collection[IPv4Address], seconds: float) -> set[IPv4Address]:
        """Connect to the port of each address and disconnect at once."""
        replied: set[IPv4Address] = set()
        with ExitStack() as stack, selectors.DefaultSelector() as selector:
            for address in addresses:
                connection = stack.enter_context(socket.socket())
                connection.setblocking(False)
                status = connection.connect_ex((str(address), self._port))
                if status == 0:
                    replied.add(address)
                elif status == errno.EINPROGRESS:
                    selector.register(connection, selectors.EVENT_WRITE, (connection, address))
            deadline = time.monotonic() + seconds
            is_late = False
            while selector.get_map() and not is_late:
                remaining = deadline - time.monotonic()
                is_late = remaining <= 0
                for key, _ in selector.select(max(0.0, remaining)):
                    connection, address = key.data
                    if not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        replied.add(address)
                    selector.unregister(connection)
        time.sleep(max(0.0, deadline - time.monotonic()))
        return replied

    def close(self) -> None:
        """Do nothing, because the pinger holds no resources."""
