"""The relay board of a virtual rack: from the master's pins to the power of the stacks."""

from collections.abc import Iterable
from dataclasses import dataclass

from rack.errors import UnknownTargetError
from rack.layout import Rack, Stack


@dataclass(frozen=True, slots=True)
class PinState:
    """How a pin of the master is: an output that drives a level, or an input, which drives none."""

    is_output: bool = False
    is_high: bool = False


@dataclass(slots=True)
class _Relay:
    pin: PinState
    is_energised: bool = False
    is_stuck: bool = False
    moves: int = 0


class VirtualRelays:
    """One relay a stack, each on its pin. All pins are inputs at first, as after a boot."""

    def __init__(self, rack: Rack) -> None:
        self._board = rack.relays
        self._stacks = rack.stacks
        self._relays = {stack.number: _Relay(PinState()) for stack in rack.stacks}

    def pin(self, number: int) -> PinState:
        """Return how a pin is; `number` is BCM's.

        Raises:
            UnknownPlace: no relay is on it.
        """
        return self._relays[self._stack_on_pin(number).number].pin

    def drive(self, number: int, state: PinState) -> Stack:
        """Set a pin; return the stack whose relay is on it.

        Raises:
            UnknownPlace: no relay is on it.
        """
        stack = self._stack_on_pin(number)
        self._relays[stack.number].pin = state
        self._update_relay(stack.number)
        return stack

    def stick(self, stacks: Iterable[int]) -> None:
        """Make the relays of these stacks stay where they are, whatever their pins do."""
        for stack in stacks:
            self._relays[stack].is_stuck = True

    def release(self, stacks: Iterable[int]) -> None:
        """Let the relays of these stacks follow their pins again."""
        for stack in stacks:
            self._relays[stack].is_stuck = False
            self._update_relay(stack)

    def is_stuck(self, stack: int) -> bool:
        """Tell whether a stack's relay is stuck."""
        return self._relays[stack].is_stuck

    def has_power(self, stack: int) -> bool:
        """Tell whether a stack has power."""
        return self._board.power_when(energised=self._relays[stack].is_energised)

    def moves(self, stack: int) -> int:
        """Return how often a stack's relay has moved."""
        return self._relays[stack].moves

    def _stack_on_pin(self, number: int) -> Stack:
        for stack in self._stacks:
            if stack.pin == number:
                return stack
        raise UnknownTargetError(f"no relay is on GPIO{number}")

    def _update_relay(self, stack: int) -> None:
        relay = self._relays[stack]
        is_energised = relay.pin.is_output and relay.pin.is_high == self._board.active_high
        if not relay.is_stuck and is_energised != relay.is_energised:
            relay.is_energised = is_energised
            relay.moves += 1
