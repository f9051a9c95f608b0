"""The GPIO chip of a Raspberry Pi's 40-pin header, through libgpiod."""

import errno
import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gpiod
from gpiod.line import Direction

from rack.gpio.errors import GpioError, GpioNotReadyError
from rack.gpio.holder import CONSUMER
from rack.gpio.persistence import header_driver

HEADER_LABELS = frozenset({"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"})
"""Kernel labels of the chip of the header. The chip number differs between kernels."""

_AS_IS = gpiod.LineSettings(direction=Direction.AS_IS)


class HeaderChip:
    """The chip, which is opened at its first use.

    All methods raise `GpioError` with the cause and a fix, or `GpioNotReadyError`.

    Args:
        dev: Folder of the gpiochip* devices.
        root: Root of the file system with the files of the kernel.
        open_chip: Opens a device.
    """

    def __init__(
        self,
        dev: Path = Path("/dev"),
        *,
        root: Path = Path("/"),
        open_chip: Callable[[str], gpiod.Chip] = gpiod.Chip,
    ) -> None:
        self._dev = dev
        self._root = root
        self._open_chip = open_chip
        self._chip: gpiod.Chip | None = None

    def request(self, line: int) -> int:
        """Return a descriptor of a line that no other program uses. Its direction and level stay.

        The request also makes the kernel read the direction of the line from the hardware.
        """
        chip = self._header()
        try:
            with chip.request_lines({line: _AS_IS}, consumer=CONSUMER) as request:
                return os.dup(request.fd)
        except (OSError, ValueError) as error:
            raise GpioError(_describe_failed_request(chip, line, error)) from error

    def is_output(self, line: int) -> bool:
        """Return whether a requested line is an output. Other lines have no reliable direction."""
        try:
            return self._header().get_line_info(line).direction == Direction.OUTPUT
        except (OSError, ValueError) as error:
            raise GpioError(f"the direction of GPIO{line} cannot be read: {error}") from error

    def consumer(self, line: int) -> str:
        """Return the name of the program or driver that uses a line, or "" if none does."""
        try:
            info = self._header().get_line_info(line)
        except (OSError, ValueError) as error:
            raise GpioError(f"the user of GPIO{line} cannot be read: {error}") from error
        return (info.consumer or "a driver") if info.used else ""

    def _header(self) -> gpiod.Chip:
        if self._chip is None:
            self._chip = self._find_header()
        return self._chip

    def _find_header(self) -> gpiod.Chip:
        driver = header_driver(self._root)
        if driver is None:
            raise GpioError("this machine has no GPIO pins: use a Raspberry Pi as the master")
        problem = ""
        for path in sorted(self._dev.glob("gpiochip*")):
            try:
                chip = self._open_chip(str(path))
            except PermissionError:
                problem = problem or (
                    f"{path}: permission denied for the user {_user_name()}: run"
                    " `sudo python3 -m deploy.install_master`, which gives it to the group gpio"
                )
            except OSError as error:
                problem = problem or f"{path}: {error.strerror}: restart the machine"
            else:
                if chip.get_info().label in HEADER_LABELS:
                    return chip
                chip.close()
        raise GpioNotReadyError(
            problem
            or f"no {self._dev}/gpiochip* belongs to the driver {driver}: pass the device to the"
            " container, or restart the machine"
        )


def _describe_failed_request(chip: gpiod.Chip, line: int, error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EBUSY:
        user = "another program"
        with suppress(OSError, ValueError):
            user = f"`{chip.get_line_info(line).consumer}`"
        return f"GPIO{line} is used by {user}: end that program, or use another pin"
    reason = error.strerror if isinstance(error, OSError) else f"{chip.path} has no such line"
    return f"GPIO{line} cannot be used: {reason}: use another pin"


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # for example in a container
        return str(os.geteuid())
