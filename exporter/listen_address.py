"""Address at which the exporter listens: a fixed address, or this machine's addresses in a network.

DHCP can change the address of a rasp while the exporter runs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

# In the virtual rack, the network namespace of a thread differs from that of the process.
_ADDRESS_TABLE = Path("/proc/thread-self/net/fib_trie")
_MAX_PORT = 65535
_LISTEN_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A fixed address, or a network in which this machine has addresses, and a TCP port."""

    host: str | IPv4Network
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Parse `ADDRESS:PORT` or `NETWORK/PREFIX:PORT`.

        Raises:
            ValueError: If the text is neither.
        """
        match = _LISTEN_ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > _MAX_PORT:
            raise ValueError(
                f"{text!r} is not a valid address: write ADDR:PORT, for example 127.0.0.1:9849,"
                " or NETWORK:PORT, for example 10.23.0.0/16:9849"
            )
        host, port = match["v6"] or match["v4"], int(match["port"])
        if "/" in host:
            try:
                return cls(IPv4Network(host), port)
            except ValueError as error:
                raise ValueError(f"{text!r} is not a valid network: {error}") from error
        return cls(host, port)

    @property
    def is_fixed(self) -> bool:
        """Whether the address does not depend on the addresses of this machine."""
        return isinstance(self.host, str)

    def current(self, address_table: Path = _ADDRESS_TABLE) -> frozenset[str]:
        """Return the fixed address, or the current addresses of this machine in the network.

        Raises:
            OSError: If the kernel's table of addresses cannot be read.
        """
        if isinstance(self.host, str):
            return frozenset({self.host})
        own = _local_addresses(address_table.read_text(encoding="ascii"))
        return frozenset(address for address in own if IPv4Address(address) in self.host)


def bracketed(host: str) -> str:
    """Return a host as URLs require it: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host else host


def _local_addresses(table: str) -> Iterator[str]:
    """Yield this machine's addresses in the text of /proc/net/fib_trie."""
    address = ""
    for line in table.splitlines():
        if "|-- " in line:
            address = line.split()[-1]
        elif line.strip() == "/32 host LOCAL":
            yield address
