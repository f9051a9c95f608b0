"""Load and save the commanded power of the stacks."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rack.database import Database
from rack.settings import AfterBoot

_COLUMNS = "is_on, since, boot_id, power_before_install, on_again_at"


@dataclass(frozen=True, slots=True)
class CommandedPower:
    """The last commanded power of a stack.

    Attributes:
        is_on: Whether the stack was switched on.
        since: Time of the change to this power, in seconds since the master's boot.
        boot_id: Id of the master's boot in which the relay was last switched
            (/proc/sys/kernel/random/boot_id).
        power_before_install: Commanded power before a running install, or None.
        on_again_at: Time from which the stack must have power again, in seconds since the master's
            boot, or None. It stays until the relay was switched on.
        relay_differs: Whether the controller found the relay in the other state at startup. This
            attribute is not saved.
    """

    is_on: bool
    since: float
    boot_id: str
    power_before_install: bool | None = None
    on_again_at: float | None = None
    relay_differs: bool = False

    @property
    def has_power(self) -> bool:
        """Whether the relay supplies power, as far as is known."""
        return self.is_on != self.relay_differs


def initial_power(
    previous: CommandedPower | None,
    current: bool | None,
    after_boot: AfterBoot,
    boot_id: str,
    now: float,
) -> CommandedPower:
    """Return the commanded power of a stack at startup, and whether its relay differs.

    Args:
        previous: Last commanded power, or None if there was no command yet.
        current: Power that the relay supplies, or None if it cannot be read. It stays if there was
            no command yet, or the master has not booted since the last command.
        after_boot: Setting `relays.after_boot`, applied if the master has booted since the last
            command, except to a stack that must have power again.
        boot_id: Id of this boot of the master.
        now: Seconds since this boot of the master.
    """
    if previous is None:
        # Switching a stack on by mistake does less harm than cutting its power.
        return CommandedPower(current is not False, now, boot_id)
    if previous.boot_id == boot_id:
        return replace(previous, relay_differs=current not in {None, previous.is_on})
    if previous.on_again_at is not None:  # a power cycle was interrupted
        return replace(previous, is_on=True, since=now, boot_id=boot_id, on_again_at=now)
    is_on = previous.is_on
    if after_boot != "restore":
        is_on = after_boot == "on"
        previous = replace(previous, power_before_install=None)
    return replace(previous, is_on=is_on, since=now, boot_id=boot_id)


def next_power(
    previous: CommandedPower,
    *,
    is_on: bool,
    now: float,
    installing: bool,
    on_again_at: float | None = None,
) -> CommandedPower:
    """Return the commanded power to save before a relay is switched. See `Relays.switch`."""
    is_due = previous.on_again_at is not None
    before_install = previous.power_before_install
    if before_install is None:
        before_install = previous.is_on or is_due
    is_change = previous.relay_differs or previous.is_on != is_on
    return replace(
        previous,
        is_on=is_on,
        since=now if is_change else previous.since,
        power_before_install=before_install if installing else None,
        on_again_at=previous.on_again_at if is_on or installing else on_again_at,
        relay_differs=False,
    )


def power_after_switching(power: CommandedPower) -> CommandedPower:
    """Return the commanded power to save after a relay was switched."""
    is_installing = power.power_before_install is not None
    return power if is_installing or not power.is_on else replace(power, on_again_at=None)


def overdue_stacks(powers: Mapping[int, CommandedPower], now: float) -> tuple[int, ...]:
    """Return the stacks that must have power again by now, but were not switched on yet.

    Args:
        powers: Commanded power, keyed by stack number.
        now: Seconds since the boot of the master.
    """
    return tuple(
        stack
        for stack, power in powers.items()
        if power.on_again_at is not None and power.on_again_at <= now
    )


def load_all(database: Database) -> dict[int, CommandedPower]:
    """Return the commanded power for each stack number.

    Raises:
        DatabaseError: If the database cannot be read.
    """
    with database.connection() as connection:
        rows = connection.execute(f"SELECT stack, {_COLUMNS} FROM commanded_power").fetchall()  # noqa: S608 - constants
    return {
        stack: CommandedPower(
            bool(is_on),
            since,
            boot_id,
            None if before_install is None else bool(before_install),
            on_again_at,
        )
        for stack, is_on, since, boot_id, before_install, on_again_at in rows
    }


def save(database: Database, powers: Mapping[int, CommandedPower]) -> None:
    """Save the commanded power of these stacks in one durable transaction.

    Raises:
        DatabaseError: If the database cannot be written.
    """
    with database.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        write(connection, powers)
        connection.execute("COMMIT")


def write(connection: sqlite3.Connection, powers: Mapping[int, CommandedPower]) -> None:
    """Write the commanded power of these stacks in a transaction."""
    connection.executemany(
        f"INSERT OR REPLACE INTO commanded_power (stack, {_COLUMNS})"  # noqa: S608 - constants
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                stack,
                power.is_on,
                power.since,
                power.boot_id,
                power.power_before_install,
                power.on_again_at,
            )
            for stack, power in powers.items()
        ],
    )
