"""gpiozero pins on lgpio that keep their level when the program ends.

gpiozero's `LGPIOPin` claims a line as an input, then as an output at level 0. When the pin is
closed, it claims the line as an input again. A relay would switch each time (issues 707 and 1058 of
gpiozero). A `LatchingPin` claims its line once, as an output at the requested level, and never
releases the line. After the process ends, the kernel decides the level: see
`rack.gpio_persistence.persists_outputs`.

GPIOZERO_PIN_FACTORY=latching selects these pins through an entry point of this distribution.
"""

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpiozero.exc import BadPinFactory, PinError

# lgpio creates a pipe in the working directory on import and does not use it afterwards. Under
# systemd that directory is usually read-only (issue 12 of joan2937/lg).
with TemporaryDirectory() as _folder, chdir(_folder):
    import lgpio
    from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin

HEADER_LABELS = frozenset({"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"})
"""Kernel labels of the chip of the 40-pin header. The chip number differs between kernels."""


class LatchingFactory(LGPIOFactory):
    """Factory of `LatchingPin`s on a Raspberry Pi's header.

    Args:
        dev: Folder of the gpiochip* devices.

    Raises:
        BadPinFactory: If the header does not exist or this user may not open its chip.
    """

    is_latching = True

    def __init__(self, dev: Path = Path("/dev")) -> None:
        super().__init__(chip=_header_chip(dev))
        self.pin_class = LatchingPin

    def close(self) -> None:
        """Keep the level of every line."""


class LatchingPin(LGPIOPin):
    """A line that is claimed once, as an output, and never released."""

    def __init__(self, factory: LatchingFactory, info: Any) -> None:
        super(LGPIOPin, self).__init__(factory, info)  # LGPIOPin.__init__ claims an input
        self._pwm = None
        self._bounce = None
        self._callback = None
        self._edges = lgpio.BOTH_EDGES
        self._is_claimed = False

    def output_with_state(self, state: bool) -> None:
        """Make the line an output at this level, without an intermediate level."""
        if self._is_claimed:
            self._set_state(state)
            return
        try:
            handle = self.factory._handle  # noqa: SLF001 - as in LGPIOPin
            lgpio.gpio_claim_output(handle, self._number, int(state))
        except lgpio.error as error:
            raise PinError(f"GPIO{self._number} cannot be claimed: {error}") from error
        self._is_claimed = True

    def close(self) -> None:
        """Keep the level of the line."""

    def _get_state(self) -> bool | None:
        """Return the level, or None before the claim, because reading would make it an input."""
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
            continue  # no permission: reported below if no other chip is the header
        try:
            *_, label = lgpio.gpio_get_chip_info(handle)
        finally:
            lgpio.gpiochip_close(handle)
        if label in HEADER_LABELS:
            return number
    raise BadPinFactory(
        f"no {dev}/gpiochip* is a Raspberry Pi's header that this user can open:"
        " run the controller on a Pi, in the group gpio"
    )
