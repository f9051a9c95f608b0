"""Presence: who has which address, and who answers pings. Pure; `signs` asks the world."""

from collections.abc import Collection
from ipaddress import IPv4Address

from dhcp_installer.discovery import Answers, FellSilent
from dhcp_installer.sightings import Kind, Sighting

_MISSED = 3  # pings in a row until somebody counts as silent


class Presence:
    """Makes of sightings and pings who answers and who fell silent.

    A MAC may hold several addresses, for its clients may say other client-ids, and an address goes
    to whoever got it last. A MAC answers where one of its addresses does.

    Args:
        silent_after: the seconds, beside three missed pings, after which somebody is silent.
    """

    def __init__(self, silent_after: float) -> None:
        self._silent_after = silent_after
        self._holder: dict[IPv4Address, str] = {}
        self._heard: dict[str, float] = {}  # the last answer of those who answer
        self._missed: dict[str, int] = {}
        self._answering: frozenset[IPv4Address] = frozenset()

    @property
    def addresses(self) -> Collection[IPv4Address]:
        """All addresses that somebody got."""
        return tuple(self._holder)

    @property
    def answering_addresses(self) -> frozenset[IPv4Address]:
        """The addresses that answered the last ping."""
        return self._answering

    def addresses_of(self, macs: Collection[str]) -> list[IPv4Address]:
        """Return the addresses that these got."""
        return [address for address, mac in self._holder.items() if mac in macs]

    def note(self, sighting: Sighting) -> None:
        """Learn from the log who has which address."""
        address = sighting.address
        if address is None:
            return
        if sighting.kind.gives_address:
            self._holder[address] = sighting.mac
        elif (
            sighting.kind in {Kind.NAK, Kind.DECLINE, Kind.RELEASE}
            and self._holder.get(address) == sighting.mac
        ):
            del self._holder[address]

    def pinged(
        self, asked: Collection[IPv4Address], answered: Collection[IPv4Address], at: float
    ) -> list[Answers | FellSilent]:
        """Learn from one round of pings; return who began to answer with it, and who ceased."""
        self._answering = frozenset(answered)
        events: list[Answers | FellSilent] = []
        here = {mac for address in answered if (mac := self._holder.get(address))}
        for mac in here:
            if mac not in self._heard:
                events.append(Answers(mac, at))
            self._heard[mac] = at
            self._missed[mac] = 0
        held = {mac for address in asked if (mac := self._holder.get(address))}
        for mac in [mac for mac in self._heard if mac not in here]:
            # Who has lost all addresses is not asked, and is as silent as who does not answer.
            self._missed[mac] += 1 if mac in held or not self.addresses_of({mac}) else 0
            if self._missed[mac] >= _MISSED and at - self._heard[mac] >= self._silent_after:
                del self._heard[mac]
                events.append(FellSilent(mac, at))
        return events
