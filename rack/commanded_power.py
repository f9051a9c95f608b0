"""Load and save the commanded power of the stacks."""

from collections.abc import Mapping
from dataclasses import dataclass

from rack.database import Database


@dataclass(frozen=True, slots=True)
class CommandedPower:
    """The last commanded power of a stack.

    Attributes:
        is_on: Whether the stack was switched on.
        since: Time of the change to this power, in seconds since the master's boot.
        boot_id: Id of the master's boot in which the relay was last switched
            (/proc/sys/kernel/random/boot_id).
        power_before_install: Commanded power before a running install, or None.
        relay_differs: Whether the controller found the relay in the other state at startup. This
            attribute is not saved.
    """

    is_on: bool
    since: float
    boot_id: str
    power_before_install: bool | None = None
    relay_differs: bool = False

    @property
    def has_power(self) -> bool:
        """Whether the relay supplies power, as far as is known."""
        return self.is_on != self.relay_differs


def load_all(database: Database) -> dict[int, CommandedPower]:
    """Return the commanded power for each stack number.

    Raises:
        DatabaseError: If the database cannot be read.
    """
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT stack, is_on, since, boot_id, power_before_install FROM commanded_power"
        ).fetchall()
    return {
        stack: CommandedPower(
            bool(is_on), since, boot_id, None if before_install is None else bool(before_install)
        )
        for stack, is_on, since, boot_id, before_install in rows
    }


def save(database: Database, powers: Mapping[int, CommandedPower]) -> None:
    """Save the commanded power of these stacks in one durable transaction.

    Raises:
        DatabaseError: If the database cannot be written.
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
