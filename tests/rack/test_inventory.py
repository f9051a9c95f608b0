"""What the rack remembers of its Pis, and what becomes of it when things go wrong."""

import sqlite3
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


def test_what_was_kept_is_there_when_opened_again(tmp_path: Path) -> None:
    open_inventory(tmp_path / "pirack.db").replace([ONE, OTHER])
    assert open_inventory(tmp_path / "pirack.db").rasps() == {(3, 2): ONE, (3, 3): OTHER}


def test_a_new_inventory_takes_the_place_of_the_old(tmp_path: Path) -> None:
    inventory = open_inventory(tmp_path / "pirack.db")
    inventory.replace([ONE])
    inventory.replace([OTHER])
    assert list(inventory.rasps().values()) == [OTHER]


@pytest.mark.parametrize(
    "twin",
    [
        Rasp(3, 2, OTHER.mac, OTHER.address),
        Rasp(3, 3, ONE.mac, OTHER.address),
        Rasp(3, 3, OTHER.mac, ONE.address),
    ],
)
def test_two_rasps_with_one_slot_mac_or_address_leave_the_inventory_as_it_was(
    tmp_path: Path, twin: Rasp
) -> None:
    inventory = open_inventory(tmp_path / "pirack.db")
    inventory.replace([OTHER])
    with pytest.raises(DatabaseError, match="UNIQUE"):
        inventory.replace([ONE, twin])
    assert list(inventory.rasps().values()) == [OTHER]


@pytest.mark.parametrize("mac", ["", "b8:27:eb", "B8:27:EB:00:00:01", "b8:27:eb:00:00:0g"])
def test_what_is_no_mac_address_is_refused(mac: str) -> None:
    with pytest.raises(ValueError, match="is no MAC address"):
        Rasp(1, 1, mac, IPv4Address("10.23.1.1"))


def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pirack.db"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"pirack\.db: file is not a database"):
        Database(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE rasps (colour TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a database of PiRack's"):
        Database(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_pirack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pirack.db"
    with Database(path).connection() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="made by a newer PiRack"):
        Database(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere/pirack\.db: unable to open"):
        Database(tmp_path / "nowhere" / "pirack.db")


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def open_it() -> None:
        try:
            Database(tmp_path / "pirack.db")
        except DatabaseError as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
