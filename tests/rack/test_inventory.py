"""Tests of the inventory and the database file."""

import threading
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rack.database import Database
from rack.errors import DatabaseError
from rack.inventory import Inventory, Rasp

ONE = Rasp(3, 2, "b8:27:eb:00:00:01", IPv4Address("10.23.3.2"))
OTHER = Rasp(3, 3, "b8:27:eb:00:00:02", IPv4Address("10.23.3.3"))


def open_inventory(path: Path) -> Inventory:
    return Inventory(Database(path))


def test_inventory_survives_reopening(tmp_path: Path) -> None:
    open_inventory(tmp_path / "pirack.db").replace([ONE, OTHER])
    assert open_inventory(tmp_path / "pirack.db").rasps() == {(3, 2): ONE, (3, 3): OTHER}


def test_inventory_reads_changes_of_other_programs(tmp_path: Path) -> None:
    inventory, other = (Inventory(Database(tmp_path / "pirack.db")) for _ in range(2))
    assert inventory.rasps() == {}
    other.replace([ONE])
    assert inventory.rasps() == {(3, 2): ONE}
    other.replace([OTHER])
    assert inventory.rasps() == {(3, 3): OTHER}
    other.replace([])
    assert inventory.rasps() == {}


def test_replace_removes_previous_rasps(tmp_path: Path) -> None:
    inventory = open_inventory(tmp_path / "pirack.db")
    inventory.replace([ONE])
    inventory.replace([OTHER])
    assert list(inventory.rasps().values()) == [OTHER]


@pytest.mark.parametrize(
    "duplicate",
    [
        Rasp(3, 2, OTHER.mac, OTHER.address),
        Rasp(3, 3, ONE.mac, OTHER.address),
        Rasp(3, 3, OTHER.mac, ONE.address),
    ],
)
def test_duplicate_slot_mac_or_address_leaves_inventory_unchanged(
    tmp_path: Path, duplicate: Rasp
) -> None:
    inventory = open_inventory(tmp_path / "pirack.db")
    inventory.replace([OTHER])
    with pytest.raises(DatabaseError, match="UNIQUE"):
        inventory.replace([ONE, duplicate])
    assert list(inventory.rasps().values()) == [OTHER]


@pytest.mark.parametrize("mac", ["", "b8:27:eb", "B8:27:EB:00:00:01", "b8:27:eb:00:00:0g"])
def test_rasp_rejects_invalid_mac_address(mac: str) -> None:
    with pytest.raises(ValueError, match="is not a valid MAC address"):
        Rasp(1, 1, mac, IPv4Address("10.23.1.1"))


def test_missing_folder_is_named_in_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere/pirack\.db: unable to open"):
        Database(tmp_path / "nowhere" / "pirack.db")


def test_concurrent_opens_create_one_database(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def open_database() -> None:
        try:
            Database(tmp_path / "pirack.db")
        except DatabaseError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_database) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
