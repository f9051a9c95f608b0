"""Contacts that supply the rasps of a virtual rack with power, one for each outlet.

The contact of an outlet with the source `gpio` belongs to a relay, which follows a pin of the
master. Other contacts follow their power source.
"""

from collections.abc import Collection
from dataclasses import dataclass

from rack.errors import UnknownTargetError
from rack.layout import GPIO, Outlet, Rack


@dataclass(frozen=True, slots=True)
class PinState:
    """State of a pin of the master, which is an output with a level, or an input."""

    is_output: bool = False
    is_high: bool = False


@dataclass(slots=True)
class _Contact:
    supplies: bool
    requested: bool
    is_stuck: bool = False
    moves: int = 0

    def move(self) -> None:
        if not self.is_stuck and self.supplies != self.requested:
            self.supplies = self.requested
            self.moves += 1


class VirtualRelays:
    """The contacts of all outlets.

    Initially all pins are inputs, as after a boot of the master, and other outlets supply power.
    """

    def __init__(self, rack: Rack) -> None:
        self._board = rack.relays
        self._outlet_on_pin = {int(outlet.address): outlet for outlet in rack.outlets_of(GPIO)}
        self._pins = dict.fromkeys(self._outlet_on_pin, PinState())
        self._contacts: dict[Outlet, _Contact] = {}
        for outlet in rack.outlets:
            power = self._power_of_pin(PinState()) if outlet.source == GPIO else True
            self._contacts[outlet] = _Contact(power, power)

    def pin(self, number: int) -> PinState:
        """Return the state of the pin with this BCM number.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        self._check_pin(number)
        return self._pins[number]

    def drive(self, number: int, state: PinState) -> Outlet:
        """Set the state of a pin. Return the outlet that the pin's relay switches.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        self._check_pin(number)
        self._pins[number] = state
        outlet = self._outlet_on_pin[number]
        self.switch(outlet, power=self._power_of_pin(state))
        return outlet

    def switch(self, outlet: Outlet, *, power: bool) -> None:
        """Let the contact of an outlet supply power or not, unless it is stuck."""
        contact = self._contacts[outlet]
        contact.requested = power
        contact.move()

    def stick(self, outlets: Collection[Outlet]) -> None:
        """Stop the contacts of these outlets from moving."""
        for outlet in outlets:
            self._contacts[outlet].is_stuck = True

    def release(self, outlets: Collection[Outlet]) -> None:
        """Let the contacts of these outlets move again."""
        for outlet in outlets:
            contact = self._contacts[outlet]
            contact.is_stuck = False
            contact.move()

    def is_stuck(self, outlet: Outlet) -> bool:
        """Return whether the contact of an outlet is stuck."""
        return self._contacts[outlet].is_stuck

    def has_power(self, outlet: Outlet) -> bool:
        """Return whether an outlet supplies power."""
        return self._contacts[outlet].supplies

    def moves(self, outlet: Outlet) -> int:
        """Return the number of moves of an outlet's contact."""
        return self._contacts[outlet].moves

    def _check_pin(self, number: int) -> None:
        if number not in self._outlet_on_pin:
            raise UnknownTargetError(f"GPIO{number} has no relay")

    def _power_of_pin(self, state: PinState) -> bool:
        if self._board is None:
            raise UnknownTargetError("this rack has no relay board")
        is_energized = state.is_output and state.is_high == self._board.active_high
        return self._board.power_when(energized=is_energized)
