"""Neighbor table of the kernel, which shows the board that replies at an address.

Two boards can use one address: a cloned SD card makes two rasps share a lease, and any host may use
an address that it did not lease. The lease then does not show which of them replies.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

_PATH = Path("/proc/net/arp")
_COMPLETE = 0x2  # ATF_COM: the kernel has resolved the address


def read_neighbors(path: Path = _PATH) -> Mapping[IPv4Address, str]:
    """Return the MAC addresses to which the kernel sends packets for an address.

    Raises:
        OSError: If the table cannot be read.
    """
    return parse_neighbors(path.read_text(encoding="ascii"))


def parse_neighbors(text: str) -> Mapping[IPv4Address, str]:
    """Return the MAC address of each resolved address in a table in the format of `/proc/net/arp`.

    Addresses that have several MAC addresses, on several interfaces, are omitted.
    """
    macs_by_address: dict[IPv4Address, set[str]] = {}
    for line in text.splitlines()[1:]:
        address, _, flags, mac, *_ = line.split()
        if int(flags, 16) & _COMPLETE:
            macs_by_address.setdefault(IPv4Address(address), set()).add(mac)
    return {address: macs.pop() for address, macs in macs_by_address.items() if len(macs) == 1}
