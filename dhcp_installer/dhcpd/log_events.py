"""Events in the log of ISC dhcpd 4.4.3.

A message contains the host name that the client sent, for example `(evil) via eth9 (x) via br0`.
Each pattern therefore matches the whole message from its start, which the client cannot influence.
A host name ends at the last `) via `.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_headers import split_header

_SERVER_START = "Server starting service."  # `dhcpd -t` does not log this message


class DhcpMessageType(StrEnum):
    """Type of a DHCP message. The values are the names in dhcpd without `DHCP`."""

    DISCOVER = "discover"
    OFFER = "offer"
    REQUEST = "request"
    ACK = "ack"
    NAK = "nak"
    DECLINE = "decline"
    RELEASE = "release"
    DUPLICATE = "duplicate"  # the client holds a second lease

    @property
    def is_from_client(self) -> bool:
        """Whether the client sent the message, which shows that the client has power."""
        return self in {
            DhcpMessageType.DISCOVER,
            DhcpMessageType.REQUEST,
            DhcpMessageType.DECLINE,
            DhcpMessageType.RELEASE,
        }

    @property
    def assigns_address(self) -> bool:
        """Whether the client may use the address from now on.

        Offers count, because a Pi 3 that boots from the network uses an offered address without a
        request (raspberrypi/firmware issue 1303).
        """
        return self in {DhcpMessageType.OFFER, DhcpMessageType.ACK}


@dataclass(frozen=True, slots=True)
class DhcpLogEvent:
    """A DHCP message in the log.

    Args:
        mac: MAC address of the client, in lower case with colons.
        message_type: Type of the message.
        address: Address that the message is about.
        interface: Interface of the master, or address of the relay agent.
        received_at: Time on the reader's clock, in seconds.
        is_repeated: Whether the line summarizes repetitions, whose times are unknown.
        server: DHCP server that a request names, which may be another one.
    """

    mac: str
    message_type: DhcpMessageType
    address: IPv4Address | None
    interface: str | None
    received_at: float
    is_repeated: bool = False
    server: IPv4Address | None = None


_MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_ADDRESS = r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_SERVER = r"(?: \((?P<server>[0-9]{1,3}(?:\.[0-9]{1,3}){3})\))?"
_VIA = r"(?: \(.*\))? via (?P<interface>[^\s():]+)"
_REMARK = r"(?:: .*| \((?:not )?found\))?"

_MESSAGE_FORMATS = {
    DhcpMessageType.DISCOVER: f"DHCPDISCOVER from {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.OFFER: f"DHCPOFFER on {_ADDRESS} to {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.REQUEST: f"DHCPREQUEST for {_ADDRESS}{_SERVER} from {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.ACK: f"DHCPACK on {_ADDRESS} to {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.NAK: f"DHCPNAK on {_ADDRESS} to {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.DECLINE: f"DHCPDECLINE of {_ADDRESS} from {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.RELEASE: f"DHCPRELEASE of {_ADDRESS} from {_MAC}{_VIA}{_REMARK}",
    DhcpMessageType.DUPLICATE: f"uid lease {_ADDRESS} for client {_MAC} is duplicate on .+",
}
_PATTERNS = {
    message_type: re.compile(pattern) for message_type, pattern in _MESSAGE_FORMATS.items()
}


def parse_line(line: str, received_at: float) -> DhcpLogEvent | None:
    """Return the event of a log line, or None if the line has no event.

    `received_at` is the caller's time, because not all log lines contain a time.
    """
    message = split_header(line)
    if message is None:
        return None
    for message_type, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(message.text):
            groups = match.groupdict()
            try:
                address = IPv4Address(groups["address"]) if "address" in groups else None
                server = IPv4Address(groups["server"]) if groups.get("server") else None
            except ValueError:
                return None
            return DhcpLogEvent(
                groups["mac"],
                message_type,
                address,
                groups.get("interface"),
                received_at,
                is_repeated=message.is_repeated,
                server=server,
            )
    return None


def is_server_start(line: str) -> bool:
    """Return whether a log line reports that dhcpd has started and serves its clients."""
    message = split_header(line)
    return message is not None and message.text == _SERVER_START and not message.is_repeated


def is_readable(line: str) -> bool:
    """Return whether a log line is certainly a line of dhcpd in a known format."""
    message = split_header(line)
    return message is not None and (
        message.has_header or is_server_start(line) or parse_line(line, 0.0) is not None
    )
