"""Reachability of DHCP clients, derived from log events and ping replies."""

from collections.abc import Collection
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType
from dhcp_installer.discovery.strategy import BecameReachable, BecameUnreachable

_MAX_MISSED_PINGS = 3  # in a row


class ReachabilityTracker:
    """The addresses of each client, and whether it replies to ping.

    A MAC address can hold several addresses, because its clients may use different client ids. It
    is reachable if one of them replies. An address belongs to the client that got it last.

    Args:
        offline_after: Minimum seconds without a reply, in addition to three missed pings, after
            which a client is unreachable.
    """

    def __init__(self, offline_after: float) -> None:
        self._offline_after = offline_after
        self._mac_by_address: dict[IPv4Address, str] = {}
        self._last_reply: dict[str, float] = {}  # of reachable clients
        self._missed_pings: dict[str, int] = {}
        self._reachable_addresses: frozenset[IPv4Address] = frozenset()

    @property
    def addresses(self) -> Collection[IPv4Address]:
        """All assigned addresses."""
        return tuple(self._mac_by_address)

    @property
    def reachable_addresses(self) -> frozenset[IPv4Address]:
        """Addresses that replied to the last ping."""
        return self._reachable_addresses

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

    def add_ping_round(
        self, pinged: Collection[IPv4Address], replied: Collection[IPv4Address], time: float
    ) -> list[BecameReachable | BecameUnreachable]:
        """Update the reachability from one ping round and return the changes."""
        self._reachable_addresses = frozenset(replied)
        events: list[BecameReachable | BecameUnreachable] = []
        reachable = {mac for address in replied if (mac := self._mac_by_address.get(address))}
        for mac in reachable:
            if mac not in self._last_reply:
                events.append(BecameReachable(mac, time))
            self._last_reply[mac] = time
            self._missed_pings[mac] = 0
        pinged_macs = {mac for address in pinged if (mac := self._mac_by_address.get(address))}
        for mac in [mac for mac in self._last_reply if mac not in reachable]:
            # A client that lost all its addresses is not pinged, but is unreachable too.
            if mac in pinged_macs or not self.addresses_of({mac}):
                self._missed_pings[mac] += 1
            if (
                self._missed_pings[mac] >= _MAX_MISSED_PINGS
                and time - self._last_reply[mac] >= self._offline_after
            ):
                del self._last_reply[mac]
                events.append(BecameUnreachable(mac, time))
        return events
