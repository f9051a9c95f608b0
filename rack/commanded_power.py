"""Commanded power: what each stack was last told to have. Kept in pirack.db."""

from collections.abc import Mapping
from dataclasses import dataclass

from rack.database import Database


@dataclass(frozen=True, slots=True)
class CommandedPower:
    """The power that a stack was last commanded to have.

    `since` is when that was, in seconds since the epoch; `boot_id` names the boot of the master
    in which its relay was last driven, as /proc/sys/kernel/random/boot_id does. `power_before_install` is
    what it was commanded before an install took it; None where no install has it. Whoever commands
    the stack otherwise takes it from the install.
    """

    is_on: bool
    since: float
    boot_id: str
    power_before_install: bool | None = None


def load_all(database: Database) -> dict[int, CommandedPower]:
    """Return the commanded power of each stack that was ever commanded, by the stack's number.

    Raises:
        DatabaseError: the database cannot be read.
    """
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT stack, is_on, since, boot_id, power_before_install FROM commanded_power"
        ).fetchall()
    return {
        stack: CommandedPower(
            bool(is_on), since, boot_id, None if before_install is None else bool(before_install)
        )
        for stack, is_on, since, boot_id, power_before_install in rows
    }


def save(database: Database, powers: Mapping[int, CommandedPower]) -> None:
    """Keep the commanded power of these stacks: of all of them, or of none.

    It is on the disk when this returns, whatever then happens to this process or to the master.

    Raises:
        DatabaseError: the database cannot be written.
    """
    rows = [
        (stack, power.is_on, power.since, power.boot_id, power.power_before_install)
        for stack, power in powers.items()
    ]
    with database.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT OR REPLACE INTO commanded_power"
            " (stack, is_on, since, boot_id, power_before_install) VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        connection.execute("COMMIT")
