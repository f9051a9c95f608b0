"""Relays of a rack, by the numbers of their stacks."""

from collections.abc import Mapping
from typing import Any

from gpiozero.pins.mock import MockFactory

from rack.database import Database
from rack.layout import GPIO, Rack
from rack.power.commanded_power import CommandedPower
from rack.power.drivers.gpio import GpioDriver
from rack.power.edges import Edge, PowerEdges
from rack.power.outlets import Outlets
from tests.helpers.layouts import relay_board


class StackRelays:
    """The outlets of a rack, each stack of which has one relay.

    Args:
        rack: Layout of the rack.
        database: Storage of the commanded power.
        factory: Creates the pin factory.
        options: Further options of `Outlets`.
    """

    def __init__(
        self, rack: Rack, database: Database, *, factory: Any = None, **options: Any
    ) -> None:
        self.rack = rack
        self.driver = GpioDriver(
            GPIO, relay_board(rack), **({"factory": factory} if factory else {})
        )
        self.outlets = Outlets(rack, database, drivers={GPIO: self.driver}, **options)

    @property
    def error(self) -> str:
        return self.outlets.source_errors.get(GPIO, "")

    @property
    def edges(self) -> PowerEdges:
        return self.outlets.edges

    def on(self, stack: int, **options: Any) -> None:
        self.switch({stack: True}, **options)

    def off(self, stack: int, **options: Any) -> None:
        self.switch({stack: False}, **options)

    def switch(self, power: Mapping[int, bool], **options: Any) -> tuple[Edge, ...]:
        outlets = {self.rack.outlet(stack): is_on for stack, is_on in power.items()}
        return self.outlets.switch(outlets, **options)

    def restore_after_install(self) -> tuple[int, ...]:
        return tuple(outlet.stack for outlet in self.outlets.restore_after_install())

    def is_on(self, stack: int) -> bool:
        return self.commanded(stack).is_on

    def has_power(self, stack: int) -> bool | None:
        return self.outlets.has_power(self.rack.outlet(stack))

    def commanded(self, stack: int) -> CommandedPower:
        command = self.outlets.commanded(self.rack.outlet(stack))
        assert command is not None
        return command

    def all_commanded(self) -> Mapping[int, CommandedPower]:
        return {outlet.stack: power for outlet, power in self.outlets.all_commanded().items()}


def mock_outlets(rack: Rack, database: Database) -> Outlets:
    """Return outlets whose relays are on mock pins of gpiozero."""
    return StackRelays(rack, database, factory=MockFactory).outlets
