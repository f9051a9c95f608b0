"""Load and save the commanded power of the outlets."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rack.database import Database
from rack.layout import Outlet, Rack
from rack.settings import AfterBoot

_COLUMNS = "is_on, since, boot_id, power_before_install, on_again_at"


@dataclass(frozen=True, slots=True)
class CommandedPower:
    """The last commanded power of an outlet.

    Attributes:
        is_on: Whether the outlet was switched on.
        since: Time of the change to this power, in seconds since the master's boot. It is 0 if the
            change was before this boot.
        boot_id: Id of the master's boot in which the outlet was last switched
            (/proc/sys/kernel/random/boot_id).
        power_before_install: Commanded power before a running install, or None.
        on_again_at: Time from which the outlet must supply power again, in seconds since the
            master's boot, or None. It stays until the outlet was switched on.
        outlet_differs: Whether the outlet was found in the other state, at startup or when it was
            read later. This attribute is not saved.
    """

    is_on: bool
    since: float
    boot_id: str
    power_before_install: bool | None = None
    on_again_at: float | None = None
    outlet_differs: bool = False

    @property
    def has_power(self) -> bool:
        """Whether the outlet supplies power, as far as is known."""
        return self.is_on != self.outlet_differs


def initial_power(
    previous: CommandedPower | None,
    current: bool,
    after_boot: AfterBoot,
    boot_id: str,
    now: float,
) -> CommandedPower:
    """Return the commanded power at startup of an outlet that loses its state at a boot.

    Args:
        previous: Last commanded power, or None if there was no command yet.
        current: Power that the outlet supplies. It stays if there was no command yet, or the master
            has not booted since the last command.
        after_boot: Setting `relays.after_boot`, applied if the master has booted since the last
            command, except to an outlet that must supply power again.
        boot_id: Id of this boot of the master.
        now: Seconds since this boot of the master.
    """
    if previous is None:
        return CommandedPower(current, now, boot_id)
    if previous.boot_id == boot_id:
        return replace(previous, outlet_differs=current != previous.is_on)
    if previous.on_again_at is not None:  # a power cycle was interrupted
        return replace(previous, is_on=True, since=now, boot_id=boot_id, on_again_at=now)
    is_on = previous.is_on
    if after_boot != "restore":
        is_on = after_boot == "on"
        previous = replace(previous, power_before_install=None)
    return replace(previous, is_on=is_on, since=now, boot_id=boot_id)


def kept_power(previous: CommandedPower, boot_id: str, now: float) -> CommandedPower:
    """Return the commanded power at startup of an outlet that keeps its state at a boot.

    An outlet that must supply power again is still off, and is due now.

    Args:
        previous: Last commanded power.
        boot_id: Id of this boot of the master.
        now: Seconds since this boot of the master.
    """
    if previous.boot_id == boot_id:
        return previous
    on_again_at = None if previous.on_again_at is None else now
    return replace(previous, since=0.0, boot_id=boot_id, on_again_at=on_again_at)


def next_power(
    previous: CommandedPower | None,
    *,
    is_on: bool,
    now: float,
    boot_id: str,
    installing: bool,
    on_again_at: float | None = None,
) -> CommandedPower:
    """Return the commanded power to save before an outlet is switched. See `Outlets.switch`.

    An install leaves an outlet on whose power was unknown.
    """
    if previous is None:
        return CommandedPower(
            is_on,
            now,
            boot_id,
            power_before_install=True if installing else None,
            on_again_at=None if is_on or installing else on_again_at,
        )
    is_due = previous.on_again_at is not None
    before_install = previous.power_before_install
    if before_install is None:
        before_install = previous.is_on or is_due
    is_change = previous.outlet_differs or previous.is_on != is_on
    return replace(
        previous,
        is_on=is_on,
        since=now if is_change else previous.since,
        power_before_install=before_install if installing else None,
        on_again_at=previous.on_again_at if is_on or installing else on_again_at,
        outlet_differs=False,
    )


def power_after_switching(power: CommandedPower) -> CommandedPower:
    """Return the commanded power to save after an outlet was switched."""
    is_installing = power.power_before_install is not None
    return power if is_installing or not power.is_on else replace(power, on_again_at=None)


def overdue_outlets(powers: Mapping[Outlet, CommandedPower], now: float) -> tuple[Outlet, ...]:
    """Return the outlets that must supply power again by now, but were not switched on yet.

    Args:
        powers: Commanded power of the outlets.
        now: Seconds since the boot of the master.
    """
    return tuple(
        outlet
        for outlet, power in powers.items()
        if power.on_again_at is not None and power.on_again_at <= now
    )


def load_all(database: Database, rack: Rack) -> dict[Outlet, CommandedPower]:
    """Return the commanded power of all outlets of a rack that were ever switched.

    Raises:
        DatabaseError: If the database cannot be read.
    """
    with database.connection() as connection:
        rows = connection.execute(
            f"SELECT stack, slot, {_COLUMNS} FROM commanded_power"  # noqa: S608 - constants
        ).fetchall()
    powers = {
        (stack, slot or None): CommandedPower(
            bool(is_on),
            since,
            boot_id,
            None if before_install is None else bool(before_install),
            on_again_at,
        )
        for stack, slot, is_on, since, boot_id, before_install, on_again_at in rows
    }
    return {
        outlet: powers[outlet.stack, outlet.slot]
        for outlet in rack.outlets
        if (outlet.stack, outlet.slot) in powers
    }


def save(database: Database, powers: Mapping[Outlet, CommandedPower]) -> None:
    """Save the commanded power of these outlets in one durable transaction.

    Raises:
        DatabaseError: If the database cannot be written.
    """
    with database.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        write(connection, powers)
        connection.execute("COMMIT")


def write(connection: sqlite3.Connection, powers: Mapping[Outlet, CommandedPower]) -> None:
    """Write the commanded power of these outlets in a transaction."""
    connection.executemany(
        f"INSERT OR REPLACE INTO commanded_power (stack, slot, {_COLUMNS})"  # noqa: S608 - constants
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                outlet.stack,
                outlet.slot or 0,
                power.is_on,
                power.since,
                power.boot_id,
                power.power_before_install,
                power.on_again_at,
            )
            for outlet, power in powers.items()
        ],
    )
