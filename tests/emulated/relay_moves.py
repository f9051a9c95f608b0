"""What the pins of an emulated master mean for the power of the stacks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rack.layout import Rack
from tests.emulated.gpio_trace import Drive, PinChange
from tests.helpers.layouts import pin_of, relay_board


class Power(StrEnum):
    """The power of a stack, as far as its pin decides it."""

    ON = "on"
    OFF = "off"
    RELEASED = "released"  # no program drives the pin, and the relay is at rest


@dataclass(frozen=True)
class RelayMove:
    """A change of the pin of a stack, at `time` in seconds since the epoch."""

    time: float
    stack: int
    new: Power


def relay_moves(changes: Iterable[PinChange], rack: Rack) -> Iterator[RelayMove]:
    """Translate changes of pins.

    Raises:
        KeyError: If a pin is used for a function of the chip, which must never happen.
    """
    board = relay_board(rack)
    stacks = {pin_of(stack): stack.number for stack in rack.stacks}
    energized = Drive.HIGH if board.active_high else Drive.LOW
    at_rest = Drive.LOW if board.active_high else Drive.HIGH
    meanings = {
        drive: Power.ON if board.power_when(energized=drive is energized) else Power.OFF
        for drive in (energized, at_rest)
    }
    meanings[Drive.INPUT] = Power.RELEASED
    for change in changes:
        yield RelayMove(change.time, stacks[change.pin], meanings[change.new])


def power_after(moves: Iterable[RelayMove], rack: Rack) -> Mapping[int, Power]:
    """Return the power of each stack after all moves since the start of the machine."""
    power = {stack.number: Power.RELEASED for stack in rack.stacks}
    return power | {move.stack: move.new for move in moves}
