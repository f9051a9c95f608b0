"""Decode QEMU's trace of the GPIO registers of a Raspberry Pi 3 into changes of its pins."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

_WRITE = re.compile(
    r"@(?P<time>[\d.]+):memory_region_ops_write .* addr 0x(?P<address>[0-9a-f]+)"
    r" value 0x(?P<value>[0-9a-f]+) .*name 'bcm2835_gpio'"
)
# The registers of the BCM2837, see chapter 6 of "BCM2835 ARM Peripherals".
_REGISTERS_SIZE = 0x100
_FUNCTION_SELECT = range(0x18)
_SET = range(0x1C, 0x24)
_CLEAR = range(0x28, 0x30)
_BYTES_PER_REGISTER = 4
_PINS_PER_FUNCTION_SELECT = 10
_PINS_PER_SET = 32
_INPUT, _OUTPUT = 0, 1


class Drive(Enum):
    """What a pin does to the wire that is connected to it."""

    INPUT = "input"
    LOW = "low"
    HIGH = "high"
    ALTERNATE = "alternate"  # a function of the chip, such as a serial port


@dataclass(frozen=True)
class PinChange:
    """A change of a pin, at `time` in seconds since the epoch."""

    time: float
    pin: int
    previous: Drive
    new: Drive


@dataclass
class _Registers:
    """The registers that decide what the pins do. All pins are inputs after a reset."""

    functions: dict[int, int] = field(default_factory=dict)
    levels: dict[int, bool] = field(default_factory=dict)

    def drive(self, pin: int) -> Drive:
        function = self.functions.get(pin, _INPUT)
        if function == _OUTPUT:
            return Drive.HIGH if self.levels.get(pin, False) else Drive.LOW
        return Drive.INPUT if function == _INPUT else Drive.ALTERNATE

    def write(self, offset: int, value: int) -> None:
        """Write a register. Registers that drive no pin have no effect."""
        if offset in _FUNCTION_SELECT:
            first = offset // _BYTES_PER_REGISTER * _PINS_PER_FUNCTION_SELECT
            for index in range(_PINS_PER_FUNCTION_SELECT):
                self.functions[first + index] = value >> 3 * index & 0b111
        for registers, level in ((_SET, True), (_CLEAR, False)):
            if offset in registers:
                first = (offset - registers.start) // _BYTES_PER_REGISTER * _PINS_PER_SET
                for index in range(_PINS_PER_SET):
                    if value >> index & 1:
                        self.levels[first + index] = level


def decode(
    lines: Iterable[str], pins: Iterable[int], resets: Iterable[float] = ()
) -> Iterator[PinChange]:
    """Yield the changes of pins, in the order of their times.

    A write that leaves a pin as it is, such as the level that it already has, is no change.

    Args:
        lines: Lines of QEMU's trace `memory_region_ops_write` with time stamps.
        pins: BCM numbers of the pins.
        resets: Times at which the machine was reset, in seconds since the epoch.
    """
    registers = _Registers()
    watched = tuple(pins)
    previous = dict.fromkeys(watched, Drive.INPUT)
    pending = sorted(resets)

    def changes(time: float) -> Iterator[PinChange]:
        for pin in watched:
            if (new := registers.drive(pin)) is not previous[pin]:
                yield PinChange(time, pin, previous[pin], new)
                previous[pin] = new

    for line in lines:
        if (match := _WRITE.search(line)) is None:
            continue
        time = float(match["time"])
        while pending and pending[0] <= time:
            registers = _Registers()
            yield from changes(pending.pop(0))
        registers.write(int(match["address"], 16) % _REGISTERS_SIZE, int(match["value"], 16))
        yield from changes(time)
    for reset in pending:
        registers = _Registers()
        yield from changes(reset)
