"""Sightings: what a line of dhcpd's log tells about a client. Pure; `log_sources` has the lines.

The lines are those of ISC dhcpd 4.4.3 (server/dhcp.c and server/mdb.c), as `dhcpd -d` prints them,
or with syslog's `date host dhcpd[pid]: ` before them. A client's host name stands in them as the
client says it, `(evil) via eth9 (x) via br0` included: so each form is matched as a whole, from the
start of the message, where a client has no say, and a host name ends at the last `) via `.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address


class DhcpMessageType(StrEnum):
    """What a line is about; the names are dhcpd's without their `DHCP`."""

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
        """Whether the client itself has just spoken, so that it has power."""
        return self in {
            DhcpMessageType.DISCOVER,
            DhcpMessageType.REQUEST,
            DhcpMessageType.DECLINE,
            DhcpMessageType.RELEASE,
        }

    @property
    def assigns_address(self) -> bool:
        """Whether the client may use the address from now on.

        An offer counts: a Pi 3 that boots from the network takes it without asking for it
        (raspberrypi/firmware's issue 1303).
        """
        return self in {DhcpMessageType.OFFER, DhcpMessageType.ACK}


@dataclass(frozen=True, slots=True)
class DhcpLogEvent:
    """A client that dhcpd heard, or spoke to.

    `mac` is lower-case with colons. `address` is the one that the line is about, if there is any;
    `interface` the master's, or the address of the relay agent; `received_at` in seconds of the clock of
    whoever read the line.
    """

    mac: str
    message_type: DhcpMessageType
    address: IPv4Address | None
    interface: str | None
    received_at: float


_PREFIX = (
    r"(?:(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]+)"
    r" [^\s()]+ dhcpd(?:\[[0-9]+\])?: )?"
)
_MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_ADDRESS = r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_SERVER = r"(?: \([0-9.]{7,15}\))?"
_HOST_AND_INTERFACE = r"(?: \(.*\))? via (?P<interface>[^\s():]+)"
_REMARK = r"(?:: .*| \((?:not )?found\))?"

_MESSAGE_FORMATS = {
    DhcpMessageType.DISCOVER: f"DHCPDISCOVER from {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.OFFER: f"DHCPOFFER on {_ADDRESS} to {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.REQUEST: f"DHCPREQUEST for {_ADDRESS}{_SERVER} from {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.ACK: f"DHCPACK on {_ADDRESS} to {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.NAK: f"DHCPNAK on {_ADDRESS} to {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.DECLINE: f"DHCPDECLINE of {_ADDRESS} from {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.RELEASE: f"DHCPRELEASE of {_ADDRESS} from {_MAC}{_HOST_AND_INTERFACE}{_REMARK}",
    DhcpMessageType.DUPLICATE: f"uid lease {_ADDRESS} for client {_MAC} is duplicate on [0-9./]+",
}
_PATTERNS = {kind: re.compile(_PREFIX + form) for kind, form in _MESSAGE_FORMATS.items()}


def parse_line(line: str, received_at: float) -> DhcpLogEvent | None:
    """Return what a line tells about a client; None where it tells nothing.

    `received_at` is the time at which the line was read, in seconds of the caller's clock: lines carry
    none that can be relied on.
    """
    text = line.rstrip("\r\n")
    for kind, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(text):
            found = match.groupdict()
            try:
                address = IPv4Address(found["address"]) if "address" in found else None
            except ValueError:
                return None
            return DhcpLogEvent(found["mac"], kind, address, found.get("interface"), received_at)
    return None
