"""Validate the tables `[power.NAME]` and the outlets of a rack.toml."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from rack.errors import LayoutError
from rack.layout import GPIO, Outlet, PowerSource
from rack.power.driver import AnyPowerDriver
from rack.power.pins import normalize_pin
from rack.power.registry import UnknownDriverError, driver_type
from rack.settings import PowerSourceSettings, RackSettings, StackSettings
from rack.settings_errors import first_error

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


class OutletTables:
    """Power sources and outlets of a rack.toml.

    Args:
        settings: The whole file.
        path: Path in error messages.

    Raises:
        LayoutError: If a table `[power.NAME]` is invalid.
    """

    def __init__(self, settings: RackSettings, path: Path) -> None:
        self._path = path
        self._has_relays = settings.relays is not None
        self._drivers: dict[str, type[AnyPowerDriver]] = {}
        self.sources: dict[str, PowerSource] = {}
        for name, table in settings.power.items():
            self._add_source(name, table)
        self._user_by_outlet: dict[tuple[str, str], str] = {}

    def outlets_of(self, number: int, table: StackSettings, slots: int) -> tuple[Outlet, ...]:
        """Return the outlets of a stack.

        Args:
            number: Number of the stack.
            table: Settings of the stack.
            slots: Number of slots of the stack.

        Raises:
            LayoutError: If they are invalid, or another stack has one of them.
        """
        key = f"stacks[{number}]"
        given = [name for name in ("pin", "outlet", "outlets") if getattr(table, name) is not None]
        if not given:
            raise LayoutError(
                self._path,
                f"{key}.pin",
                "missing",
                "set it to the BCM number of the relay's pin, or add outlet or outlets",
            )
        if len(given) > 1:
            raise LayoutError(
                self._path,
                f"{key}.{given[1]}",
                f"the stack already has {given[0]}",
                "remove one of them",
            )
        key = f"{key}.{given[0]}"
        if table.outlets is None:
            text = f"{GPIO}:{table.pin}" if table.outlet is None else table.outlet
            return (self._outlet(text, key, number, None),)
        if len(table.outlets) != slots:
            raise LayoutError(
                self._path,
                key,
                f"{len(table.outlets)} outlets for {slots} slots",
                "list one outlet for each slot of the stack",
            )
        return tuple(
            self._outlet(text, f"{key}[{slot}]", number, slot)
            for slot, text in enumerate(table.outlets, start=1)
        )

    def _outlet(self, text: str, key: str, stack: int, slot: int | None) -> Outlet:
        source, _, address = text.partition(":")
        if not source or not address:
            raise LayoutError(
                self._path,
                key,
                f"{text!r} is not an outlet",
                "write SOURCE:ADDRESS, for example poe:5",
            )
        normalize = self._normalizer(source, key)
        try:
            address = normalize(address)
        except ValueError as error:
            problem, _, hint = str(error).partition(": ")
            raise LayoutError(self._path, key, f"{address!r} {problem}", hint) from error
        outlet = Outlet(stack, slot, source, address)
        user = f"stack {stack}" if slot is None else outlet.name
        if (other := self._user_by_outlet.setdefault((source, address), user)) != user:
            is_pin = key.endswith(".pin")
            raise LayoutError(
                self._path,
                key,
                f"{f'pin {address}' if is_pin else outlet.label} is already used by {other}",
                f"use a different {'pin' if is_pin else 'outlet'}",
            )
        return outlet

    def _normalizer(self, source: str, key: str) -> Callable[[str], str]:
        if source == GPIO:
            if not self._has_relays:
                raise LayoutError(self._path, "relays", "missing", "add a table [relays]")
            return normalize_pin
        if source not in self.sources:
            raise LayoutError(
                self._path,
                key,
                f"there is no power source {source!r}",
                f"add a table [power.{source}], or use one of {', '.join([GPIO, *self.sources])}",
            )
        return partial(self._drivers[source].normalize_address, self.sources[source].settings)

    def _add_source(self, name: str, table: PowerSourceSettings) -> None:
        key = f"power.{name}"
        if GPIO in {name, table.driver}:
            raise LayoutError(
                self._path,
                key,
                "the relays on the master's pins are no table here",
                "describe them in the table [relays], and set pin in [[stacks]]",
            )
        if not _SOURCE_NAME.fullmatch(name):
            raise LayoutError(
                self._path,
                "power",
                f"{name[:40]!r} is not a name of a power source",
                "use lower-case letters, digits and hyphens, for example [power.poe]",
            )
        try:
            driver = driver_type(table.driver)
        except UnknownDriverError as error:
            raise LayoutError(self._path, f"{key}.driver", error.problem, error.hint) from error
        own: Mapping[str, object] = table.model_extra or {}
        try:
            settings = driver.settings_type.model_validate(own)
        except ValidationError as error:
            found = first_error(error, driver.settings_type)
            inner = f"{key}.{found.key}" if found.key else key
            raise LayoutError(self._path, inner, found.problem, found.hint) from error
        self._drivers[name] = driver
        self.sources[name] = PowerSource(name, table.driver, settings)
