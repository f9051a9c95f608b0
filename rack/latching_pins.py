"""Pins that stay as they are when the program ends: gpiozero's on lgpio, made to latch.

gpiozero's `LGPIOPin` claims a line as an input when it is made, as an output at level 0 after
that, and as an input again when it is closed: a relay would move each time (gpiozero's issues 707
and 1058). A `LatchingPin` claims its line once, as an output at the wanted level, and never gives
it back. What becomes of it when the process ends is the kernel's to say: see
`rack.gpio_persistence.persists_outputs`.

GPIOZERO_PIN_FACTORY=latching selects these pins, by an entry point of this distribution.
"""

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpiozero.exc import BadPinFactory, PinError

# lgpio makes a pipe in the working directory when it is imported, and needs it no longer: under
# systemd that directory is seldom one that can be written (joan2937/lg's issue 12).
with TemporaryDirectory() as _folder, chdir(_folder):
    import lgpio
    from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin

HEADER_LABELS = frozenset({"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"})
"""What the kernel calls the chip of the 40-pin header; its number moves between kernels."""


class LatchingFactory(LGPIOFactory):
    """Makes `LatchingPin`s of a Raspberry Pi's header.

    Args:
        dev: where the kernel's gpiochip* devices are.

    Raises:
        BadPinFactory: there is no such header here, or it may not be used.
    """

    is_latching = True

    def __init__(self, dev: Path = Path("/dev")) -> None:
        super().__init__(chip=_header_chip(dev))
        self.pin_class = LatchingPin

    def close(self) -> None:
        """Leave every line as it is."""


class LatchingPin(LGPIOPin):
    """A line that is claimed once, as an output, and is then left alone."""

    def __init__(self, factory: LatchingFactory, info: Any) -> None:
        super(LGPIOPin, self).__init__(factory, info)  # LGPIOPin's own would claim an input
        self._pwm = None
        self._bounce = None
        self._callback = None
        self._edges = lgpio.BOTH_EDGES
        self._is_claimed = False

    def output_with_state(self, state: bool) -> None:
        """Drive the line at a level, from the first moment on."""
        if self._is_claimed:
            self._set_state(state)
            return
        try:
            handle = self.factory._handle  # noqa: SLF001 - as gpiozero's own pins reach it
            lgpio.gpio_claim_output(handle, self._number, int(state))
        except lgpio.error as error:
            raise PinError(f"GPIO{self._number} cannot be claimed: {error}") from error
        self._is_claimed = True

    def close(self) -> None:
        """Leave the line as it is."""

    def _get_state(self) -> bool | None:
        """Return the line's level, None before it is claimed: lgpio would make it an input."""
        return bool(super()._get_state()) if self._is_claimed else None

    def _set_state(self, value: bool) -> None:
        try:
            super()._set_state(value)
        except lgpio.error as error:
            raise PinError(f"GPIO{self._number} cannot be driven: {error}") from error


def _header_chip(dev: Path) -> int:
    for path in sorted(dev.glob("gpiochip*")):
        number = int(path.name.removeprefix("gpiochip"))
        try:
            handle = lgpio.gpiochip_open(number)
        except lgpio.error:
            continue  # not for this user: told below, if no other one is the header's
        try:
            *_, label = lgpio.gpio_get_chip_info(handle)
        finally:
            lgpio.gpiochip_close(handle)
        if label in HEADER_LABELS:
            return number
    raise BadPinFactory(
        f"no {dev}/gpiochip* is a Raspberry Pi's header that this user may open:"
        " run the controller on a Pi, in the group gpio"
    )
