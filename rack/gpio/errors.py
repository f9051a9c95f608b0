"""Errors of GPIO lines."""

from rack.errors import PiRackError


class GpioError(PiRackError):
    """A GPIO line or the process that holds the lines cannot be used."""


class GpioNotReadyError(GpioError):
    """The chip cannot be used yet: during a boot, udev creates or releases its device later."""
