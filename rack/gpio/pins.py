"""gpiozero pins whose lines another process holds, so that they outlive the controller.

gpiozero's own pins claim a line as an input, then as an output at level 0, and release it when the
program ends. A relay would switch each time (issues 707 and 1058 of gpiozero). A `HolderPin` claims
its line once, as an output at the requested level, and never releases the line.

GPIOZERO_PIN_FACTORY=holder selects these pins through an entry point of this distribution.
"""

from typing import Any

from gpiozero.exc import BadPinFactory, PinError
from gpiozero.pins import Factory, Pin, PinInfo

from rack.gpio.client import HolderClient
from rack.gpio.errors import GpioError


class HolderFactory(Factory):
    """Factory of `HolderPin`s.

    Args:
        client: Client of the holder.

    Raises:
        BadPinFactory: If the holder does not respond.
    """

    is_latching = True

    def __init__(self, client: HolderClient | None = None) -> None:
        super().__init__()
        self.client = client or HolderClient()
        self._pins: dict[int, HolderPin] = {}
        try:
            self.client.request("status")
        except GpioError as error:
            raise BadPinFactory(str(error)) from error

    def pin(self, name: int) -> "HolderPin":
        """Return the pin with a BCM number."""
        if name not in self._pins:
            self._pins[name] = HolderPin(self, name)
        return self._pins[name]

    def reserve_pins(self, requester: Any, *names: Any) -> None:
        """Do nothing, because `rack.toml` gives each pin to one stack."""

    def release_pins(self, reserver: Any, *names: Any) -> None:
        """Do nothing, as `reserve_pins`."""

    def close(self) -> None:
        """Do nothing, so that all lines keep their levels."""


class HolderPin(Pin):
    """A line. All properties and methods raise `PinError` if it cannot be used."""

    def __init__(self, factory: HolderFactory, number: int) -> None:
        self._factory = factory
        self._number = number

    def __repr__(self) -> str:
        return f"<HolderPin GPIO{self._number}>"

    def output_with_state(self, state: bool) -> None:
        """Make the line an output at this level, without an intermediate level."""
        self._request("drive", high=bool(state))

    def close(self) -> None:
        """Do nothing, so that the line keeps its level."""

    def _get_info(self) -> PinInfo:
        name = f"GPIO{self._number}"
        # gpiozero uses the name only. The position on the header is unknown.
        return PinInfo(0, name, frozenset({name}), "", 0, 0, frozenset({"gpio"}))

    def _get_function(self) -> str:
        return "output" if self._request("read")["is_output"] else "input"

    def _get_state(self) -> bool:
        return bool(self._request("read")["is_high"])

    def _set_state(self, value: bool) -> None:
        self._request("drive", high=bool(value))

    def _request(self, command: str, **values: bool) -> dict[str, Any]:
        try:
            return self._factory.client.request(command, line=self._number, **values)
        except GpioError as error:
            raise PinError(str(error)) from error
