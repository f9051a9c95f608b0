"""One GPIO line on a descriptor of a line request, which may come from another process.

The ioctls and structures are those of the kernel's GPIO v2 interface (linux/gpio.h).
"""

import fcntl
import struct
from collections.abc import Callable
from typing import Any

_CONFIG_SIZE = 272
_VALUES = struct.Struct("@QQ")  # bits, mask
_CONFIG = struct.Struct("@QI20xII QQ")  # flags, number of attributes, id, padding, values, mask
_GPIO_MAGIC = 0xB4
_FLAG_OUTPUT = 1 << 3
_ATTRIBUTE_OUTPUT_VALUES = 2
_THIS_LINE = 1  # mask of the only line of the request


def _read_write_request(number: int, size: int) -> int:
    return 3 << 30 | size << 16 | _GPIO_MAGIC << 8 | number


SET_CONFIG = _read_write_request(0x0D, _CONFIG_SIZE)
GET_VALUES = _read_write_request(0x0E, _VALUES.size)
SET_VALUES = _read_write_request(0x0F, _VALUES.size)

Ioctl = Callable[[int, int, bytearray], Any]
"""Function such as `fcntl.ioctl`: descriptor, request, structure that it reads and writes."""


class Line:
    """A line. All methods raise `OSError` if the kernel refuses them.

    Args:
        descriptor: Descriptor of a request of only this line.
        is_output: Whether the line is an output.
        ioctl: Performs an ioctl.
    """

    def __init__(self, descriptor: int, *, is_output: bool, ioctl: Ioctl = fcntl.ioctl) -> None:
        self.is_output = is_output
        self._descriptor = descriptor
        self._ioctl = ioctl

    def is_high(self) -> bool:
        """Return the level of the line, which the kernel reads from the hardware."""
        values = bytearray(_VALUES.pack(0, _THIS_LINE))
        self._ioctl(self._descriptor, GET_VALUES, values)
        bits, _ = _VALUES.unpack(values)
        return bool(bits & _THIS_LINE)

    def drive(self, *, high: bool) -> None:
        """Make the line an output at a level, without an intermediate level."""
        if self.is_output:
            values = bytearray(_VALUES.pack(high, _THIS_LINE))
            self._ioctl(self._descriptor, SET_VALUES, values)
            return
        # The kernel sets the level before the direction.
        config = bytearray(_CONFIG_SIZE)
        attribute = (_ATTRIBUTE_OUTPUT_VALUES, 0, high, _THIS_LINE)
        _CONFIG.pack_into(config, 0, _FLAG_OUTPUT, 1, *attribute)
        self._ioctl(self._descriptor, SET_CONFIG, config)
        self.is_output = True
