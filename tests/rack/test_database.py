"""The database file: first start, loss, damage and upgrades."""

import sqlite3
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from rack import schema
from rack.database import APPLICATION_ID, Database, ReadOnlyDatabase, open_existing
from rack.errors import DatabaseError
from rack.inventory import Inventory, Rasp
from rack.layout_file import parse
from rack.power import commanded_power
from rack.power.commanded_power import CommandedPower
from rack.power.edges import PowerEdges
from tests.helpers.layouts import layout_text

RASP = Rasp(1, 1, "b8:27:eb:00:01:01", IPv4Address("10.23.1.1"))
OTHER_ID = "0" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pirack.db"


@pytest.fixture
def installation(path: Path) -> Path:
    """Return the path of a database with a rasp, which no process uses."""
    Inventory(Database(path)).replace([RASP])
    return path


def mark_of(path: Path) -> Path:
    return path.with_name("pirack.database-id")


def rasps(path: Path) -> list[Rasp]:
    return list(Inventory(Database(path)).rasps().values())


def error_of(path: Path, open_database: Callable[[Path], Database] = Database) -> str:
    with pytest.raises(DatabaseError) as caught:
        open_database(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@pytest.mark.parametrize("is_empty_file", [False, True])
def test_first_start_creates_a_private_database_and_its_mark(
    path: Path, *, is_empty_file: bool
) -> None:
    if is_empty_file:  # the process that created the file was killed
        path.touch()
    Database(path)
    assert mark_of(path).stat().st_mode & 0o077 == 0
    with Database(path).connection() as connection:
        assert connection.execute("SELECT id FROM identity").fetchall() == [
            (mark_of(path).read_text().strip(),)
        ]


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def replace_with_empty_database(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    connection.close()


@pytest.mark.parametrize("open_database", [Database, open_existing])
@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (remove, "the file is missing"),
        (truncate, "the file is empty"),
        (replace_with_empty_database, "the file contains no tables"),
    ],
)
def test_lost_database_is_named_and_not_replaced(
    installation: Path,
    lose: Callable[[Path], None],
    reason: str,
    open_database: Callable[[Path], Database],
) -> None:
    backup = installation.read_bytes()
    lose(installation)
    previous = contents(installation)
    assert error_of(installation, open_database) == (
        f"{installation}: the database was lost: {reason}, but pirack.database-id shows that it was"
        f" created before: restore a backup, or delete {mark_of(installation)} to create an empty"
        " database"
    )
    assert contents(installation) == previous
    installation.write_bytes(backup)
    assert rasps(installation) == [RASP]


def test_deleted_mark_allows_an_empty_database(installation: Path) -> None:
    remove(installation)
    mark_of(installation).unlink()
    assert rasps(installation) == []


@pytest.mark.parametrize("is_empty_file", [False, True])
def test_write_ahead_log_without_a_database_is_kept(path: Path, *, is_empty_file: bool) -> None:
    if is_empty_file:
        path.touch()
    log = path.with_name("pirack.db-wal")
    log.write_bytes(b"transactions")
    for open_database in (Database, open_existing):
        error = error_of(path, open_database)
        assert "pirack.db-wal contains data: restore a backup, or move" in error
    assert log.read_bytes() == b"transactions"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no database at all, but long enough to be read as one" * 20, "file is not a database"),
        (bytes(4096), "file is not a database"),
        (None, "database disk image is malformed"),
    ],
    ids=["text", "zeros", "truncated"],
)
def test_damaged_database_is_rejected_and_unchanged(
    installation: Path, content: bytes | None, problem: str
) -> None:
    content = installation.read_bytes()[:5000] if content is None else content
    installation.write_bytes(content)
    assert f"{problem}: nothing was written; restore a backup" in error_of(installation)
    assert installation.read_bytes() == content


def test_database_of_another_program_is_rejected_and_unchanged(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE rasps (colour TEXT)")
    connection.close()
    content = path.read_bytes()
    assert "not a PiRack database: restore a backup, or name another file" in error_of(path)
    assert path.read_bytes() == content
    assert not mark_of(path).exists()


def test_database_of_newer_pirack_is_rejected(path: Path) -> None:
    with Database(path).connection() as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "created by a newer PiRack" in error_of(path)


def test_database_of_another_installation_is_rejected_until_the_mark_is_deleted(
    installation: Path,
) -> None:
    mark_of(installation).write_text(f"{OTHER_ID}\n")
    error = error_of(installation)
    assert "the database belongs to another installation" in error
    assert f"pirack.database-id contains {OTHER_ID}" in error
    assert mark_of(installation).read_text() == f"{OTHER_ID}\n"
    mark_of(installation).unlink()
    assert rasps(installation) == [RASP]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"no id\n", None])
def test_missing_or_damaged_mark_is_written_again(
    installation: Path, content: bytes | None
) -> None:
    mark = mark_of(installation)
    previous = mark.read_bytes()
    mark.unlink()
    if content is not None:
        mark.write_bytes(content)
    assert rasps(installation) == [RASP]
    assert mark.read_bytes() == previous


def test_damaged_mark_also_shows_that_the_database_was_lost(installation: Path) -> None:
    mark_of(installation).write_bytes(b"")
    truncate(installation)
    assert "the database was lost" in error_of(installation)


def create_first_version(path: Path) -> None:
    """Create a database of the first version, with dhcpd.conf in the journal."""
    connection = sqlite3.connect(path)
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    connection.execute("PRAGMA application_id = 0x50695261")
    connection.execute(
        "INSERT INTO installs (kind, strategy, actor, state, started_at, report, steps, error,"
        " config_path, config_written, previous_config)"
        " VALUES ('install', 'cut', 'x', 'interrupted', 0, '{}', '[]', '', '', 1, '# Büro')"
    )
    connection.commit()
    connection.close()


def test_database_without_an_id_gets_one(path: Path) -> None:
    create_first_version(path)
    with Database(path).connection() as connection:
        (row,) = connection.execute("SELECT identity.id, previous_config FROM identity, installs")
    assert row == (mark_of(path).read_text().strip(), "# Büro".encode())


def test_restored_database_without_an_id_gets_the_id_of_the_mark(installation: Path) -> None:
    mark = mark_of(installation).read_text()
    for file in installation.parent.glob("pirack.db*"):
        file.unlink()
    create_first_version(installation)
    Database(installation)
    assert mark_of(installation).read_text() == mark


def test_database_that_is_deleted_while_it_is_used_is_not_created_again(
    installation: Path,
) -> None:
    database = Database(installation)
    installation.unlink()
    with (
        pytest.raises(DatabaseError, match="unable to open database file: nothing was written"),
        database.connection() as connection,
    ):
        connection.execute("SELECT 1 FROM rasps")
    assert not installation.exists()


def test_locked_database_is_reported_without_advice_to_replace_it(installation: Path) -> None:
    with Database(installation).connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="is locked: nothing was written; try again"):
            Database(installation, timeout=0.05)


def test_read_only_database_is_neither_created_nor_upgraded_nor_written(path: Path) -> None:
    assert error_of(path, ReadOnlyDatabase).startswith(f"{path}: file not found")
    create_first_version(path)
    previous = path.read_bytes()
    assert "created by an older PiRack (schema 1, this one uses" in error_of(path, ReadOnlyDatabase)
    assert path.read_bytes() == previous
    Database(path)
    with (
        pytest.raises(DatabaseError, match="attempt to write a readonly database"),
        ReadOnlyDatabase(path).connection() as connection,
    ):
        connection.execute("DELETE FROM rasps")


def test_read_only_database_reads_what_a_controller_writes(installation: Path) -> None:
    reader = Inventory(ReadOnlyDatabase(installation))
    assert list(reader.rasps().values()) == [RASP]
    Inventory(Database(installation)).replace([])
    assert list(reader.rasps().values()) == []


def test_power_of_relays_is_kept_by_the_upgrade_to_outlets(path: Path) -> None:
    outlets = 7
    assert "stack_power" in schema.MIGRATIONS[outlets][0]
    connection = sqlite3.connect(path)
    for statements in schema.MIGRATIONS[:outlets]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {outlets}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("INSERT INTO commanded_power VALUES (2, 0, 5.5, 'boot', 1, 9.5)")
    connection.execute(
        "INSERT INTO power_edges (stack, is_on, cause, boot_id, planned_monotonic, planned_time)"
        " VALUES (2, 0, 'order 7', 'boot', 5.5, 1005.5)"
    )
    connection.commit()
    connection.close()
    database, rack = Database(path), parse(layout_text(2))
    assert commanded_power.load_all(database, rack) == {
        rack.outlet(2): CommandedPower(
            is_on=False, since=5.5, boot_id="boot", power_before_install=True, on_again_at=9.5
        )
    }
    [edge] = PowerEdges(database).list_recent(9)
    assert (edge.stack, edge.slot, edge.cause) == (2, None, "order 7")


def test_reading_a_database_that_is_kept_open_changes_no_file(installation: Path) -> None:
    """A page reads the database twice a second, which must not write to an SD card."""
    database = Database(installation)
    with database.kept_open():
        changed_at = installation.parent.stat().st_mtime_ns
        assert list(Inventory(database).rasps().values()) == [RASP]
        assert installation.parent.stat().st_mtime_ns == changed_at
    assert not installation.with_name("pirack.db-wal").exists()
