"""Presence: who has which address, and who answers pings. Pure; `signs` asks the world."""

from collections.abc import Collection
from ipaddress import IPv4Address

from dhcp_installer.dhcpd.log_events import DhcpLogEvent, DhcpMessageType
from dhcp_installer.discovery.strategy import BecameReachable, BecameUnreachable

_MAX_MISSED_PINGS = 3  # pings in a row until somebody counts as silent


class ReachabilityTracker:
    """Makes of sightings and pings who answers and who fell silent.

    A MAC may hold several addresses, for its clients may say other client-ids, and an address goes
    to whoever got it last. A MAC answers where one of its addresses does.

    Args:
        offline_after: the seconds, beside three missed pings, after which somebody is silent.
    """

    def __init__(self, offline_after: float) -> None:
        self._offline_after = offline_after
        self._mac_by_address: dict[IPv4Address, str] = {}
        self._last_reply: dict[str, float] = {}  # the last answer of those who answer
        self._missed_pings: dict[str, int] = {}
        self._reachable_addresses: frozenset[IPv4Address] = frozenset()

    @property
    def addresses(self) -> Collection[IPv4Address]:
        """All addresses that somebody got."""
        return tuple(self._mac_by_address)

    @property
    def reachable_addresses(self) -> frozenset[IPv4Address]:
        """The addresses that answered the last ping."""
        return self._reachable_addresses

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the addresses that these got."""
        return [address for address, mac in self._mac_by_address.items() if mac in macs]

    def add_log_event(self, event: DhcpLogEvent) -> None:
        """Learn from the log who has which address."""
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
        self, pinged: Collection[IPv4Address], replied: Collection[IPv4Address], at: float
    ) -> list[BecameReachable | BecameUnreachable]:
        """Learn from one round of pings; return who began to answer with it, and who ceased."""
        self._reachable_addresses = frozenset(replied)
        events: list[BecameReachable | BecameUnreachable] = []
        here = {mac for address in replied if (mac := self._mac_by_address.get(address))}
        for mac in here:
            if mac not in self._last_reply:
                events.append(BecameReachable(mac, at))
            self._last_reply[mac] = at
            self._missed_pings[mac] = 0
        held = {mac for address in pinged if (mac := self._mac_by_address.get(address))}
        for mac in [mac for mac in self._last_reply if mac not in here]:
            # Who has lost all addresses is not asked, and is as silent as who does not answer.
            self._missed_pings[mac] += 1 if mac in held or not self.addresses_of({mac}) else 0
            if (
                self._missed_pings[mac] >= _MAX_MISSED_PINGS
                and at - self._last_reply[mac] >= self._offline_after
            ):
                del self._last_reply[mac]
                events.append(BecameUnreachable(mac, at))
        return events
