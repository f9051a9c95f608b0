"""Load and save the inventory, which records the Raspberry Pi in each slot."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from rack.database import Database
from rack.names import rasp_name, slot_target

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Rasp:
    """A Raspberry Pi in a slot. `mac` is lower-case with colons: `b8:27:eb:01:02:03`."""

    stack: int
    slot: int
    mac: str
    address: IPv4Address

    def __post_init__(self) -> None:
        if not _MAC.fullmatch(self.mac):
            raise ValueError(f"{self.mac!r} is not a valid MAC address: write b8:27:eb:01:02:03")

    @property
    def name(self) -> str:
        """Short name of the slot, for example `03-2`."""
        return rasp_name(self.stack, self.slot)

    @property
    def target(self) -> str:
        """Target expression of the slot, for example `3/2`."""
        return slot_target(self.stack, self.slot)


class Inventory:
    """The rasps in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: tuple[list[Any], Mapping[tuple[int, int], Rasp]] = [], {}

    def rasps(self) -> Mapping[tuple[int, int], Rasp]:
        """Return the rasps, keyed by (stack, slot).

        Raises:
            DatabaseError: If the database cannot be read.
        """
        with self._database.connection() as connection:
            rows = connection.execute("SELECT stack, slot, mac, address FROM rasps").fetchall()
        known_rows, known_rasps = self._latest
        if rows == known_rows:
            return known_rasps
        rasps = {
            (stack, slot): Rasp(stack, slot, mac, IPv4Address(address))
            for stack, slot, mac, address in rows
        }
        self._latest = rows, rasps
        return rasps

    def replace(self, rasps: Iterable[Rasp]) -> None:
        """Replace the whole inventory in one transaction.

        Raises:
            DatabaseError: If the database cannot be written, or two rasps share a slot, a MAC or
                an IP address. The inventory was not changed.
        """
        rows = [(rasp.stack, rasp.slot, rasp.mac, str(rasp.address)) for rasp in rasps]
        with self._database.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM rasps")
            connection.executemany(
                "INSERT INTO rasps (stack, slot, mac, address) VALUES (?, ?, ?, ?)", rows
            )
            connection.execute("COMMIT")
