"""Relay board of a virtual rack, which maps the master's pins to stack power."""

from collections.abc import Iterable
from dataclasses import dataclass

from rack.errors import UnknownTargetError
from rack.layout import Rack, Stack


@dataclass(frozen=True, slots=True)
class PinState:
    """State of a pin of the master, which is an output with a level, or an input."""

    is_output: bool = False
    is_high: bool = False


@dataclass(slots=True)
class _Relay:
    pin: PinState
    is_energized: bool = False
    is_stuck: bool = False
    moves: int = 0


class VirtualRelays:
    """One relay for each stack. Initially all pins are inputs, as after a boot of the master."""

    def __init__(self, rack: Rack) -> None:
        self._board = rack.relays
        self._stacks = rack.stacks
        self._relays = {stack.number: _Relay(PinState()) for stack in rack.stacks}

    def pin(self, number: int) -> PinState:
        """Return the state of the pin with this BCM number.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        return self._relays[self._stack_on_pin(number).number].pin

    def drive(self, number: int, state: PinState) -> Stack:
        """Set the state of a pin. Return the stack that the pin's relay switches.

        Raises:
            UnknownTargetError: If the pin has no relay.
        """
        stack = self._stack_on_pin(number)
        self._relays[stack.number].pin = state
        self._update_relay(stack.number)
        return stack

    def stick(self, stacks: Iterable[int]) -> None:
        """Stop the relays of these stacks from following their pins."""
        for stack in stacks:
            self._relays[stack].is_stuck = True

    def release(self, stacks: Iterable[int]) -> None:
        """Let the relays of these stacks follow their pins again."""
        for stack in stacks:
            self._relays[stack].is_stuck = False
            self._update_relay(stack)

    def is_stuck(self, stack: int) -> bool:
        """Return whether the relay of a stack is stuck."""
        return self._relays[stack].is_stuck

    def has_power(self, stack: int) -> bool:
        """Return whether a stack has power."""
        return self._board.power_when(energized=self._relays[stack].is_energized)

    def moves(self, stack: int) -> int:
        """Return the number of moves of a stack's relay."""
        return self._relays[stack].moves

    def _stack_on_pin(self, number: int) -> Stack:
        for stack in self._stacks:
            if stack.pin == number:
                return stack
        raise UnknownTargetError(f"GPIO{number} has no relay")

    def _update_relay(self, stack: int) -> None:
        relay = self._relays[stack]
        is_energized = relay.pin.is_output and relay.pin.is_high == self._board.active_high
        if not relay.is_stuck and is_energized != relay.is_energized:
            relay.is_energized = is_energized
            relay.moves += 1
