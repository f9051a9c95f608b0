"""Addresses of DHCP clients, from log events."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType


class AddressTable:
    """The addresses of each client.

    A MAC address can hold several addresses, because its clients may use different client ids. An
    address belongs to the client that got it last.
    """

    def __init__(self) -> None:
        self._mac_by_address: dict[IPv4Address, str] = {}

    @property
    def mac_by_address(self) -> Mapping[IPv4Address, str]:
        """A copy of all assigned addresses and their clients."""
        return dict(self._mac_by_address)

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the addresses of these clients."""
        return [address for address, mac in self._mac_by_address.items() if mac in macs]

    def add_log_event(self, event: DhcpLogEvent) -> None:
        """Update the addresses from a log event."""
        address = event.address
        if address is None:
            return
        if event.message_type.assigns_address:
            self._mac_by_address[address] = event.mac
        elif (
            event.message_type
            in {DhcpMessageType.NAK, DhcpMessageType.DECLINE, DhcpMessageType.RELEASE}
            and self._mac_by_address.get(address) == event.mac
        ):
            del self._mac_by_address[address]
