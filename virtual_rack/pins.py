"""gpiozero pin factory for the master's pins in a virtual rack.

A `VirtualPin` is a mock pin of gpiozero. It reads its initial state from the virtual rack and sends
every change to the rack. Thus the pin keeps its level when the program ends, as on a Raspberry Pi.

GPIOZERO_PIN_FACTORY=virtual_rack selects this factory through an entry point. The environment
variable PIRACK_VIRTUAL_RACK contains the state folder of the virtual rack.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gpiozero.exc import BadPinFactory, PinError
from gpiozero.pins.mock import MockFactory, MockPin

from virtual_rack import control
from virtual_rack.control import Message, RackUnavailableError

_STATE_VARIABLE = "PIRACK_VIRTUAL_RACK"
_START_SECONDS = 15.0
_POLL_SECONDS = 0.1

SendRequest = Callable[[Message], Message]


class VirtualFactory(MockFactory):
    """Factory of `VirtualPin`s.

    The factory waits for a virtual rack that is being started at the same time.

    Args:
        send: Function that sends a request to the rack and returns the reply. By default, the
            control socket of the rack in PIRACK_VIRTUAL_RACK.

    Raises:
        BadPinFactory: If the rack is not running.
    """

    is_latching = True

    def __init__(self, send: SendRequest | None = None) -> None:
        super().__init__(pin_class=VirtualPin)
        self._send = send or _connect_to_rack()

    def close(self) -> None:
        """Do nothing, so that all pins keep their levels."""

    def read(self, number: int) -> tuple[str, bool]:
        """Return the function of a pin, `input` or `output`, and whether the pin is high."""
        reply = self._request({"command": "get_pin", "pin": number})
        return "output" if reply["output"] else "input", reply["high"]

    def drive(self, number: int, function: str, *, high: bool) -> None:
        """Send the new state of a pin to the rack."""
        is_output = function == "output"
        self._request({"command": "set_pin", "pin": number, "output": is_output, "high": high})

    def _request(self, request: Message) -> Message:
        try:
            reply = self._send(request)
        except RackUnavailableError as error:
            raise PinError(str(error)) from error
        if "error" in reply:
            raise PinError(reply["error"])
        return reply


class VirtualPin(MockPin):
    """A pin of the master."""

    def __init__(self, factory: VirtualFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._function, self._state = factory.read(self._number)
        self.clear_states()

    def close(self) -> None:
        """Do nothing, so that the pin keeps its level."""

    def output_with_state(self, state: bool) -> None:
        """Make the pin an output with this initial level."""
        self.factory.drive(self._number, "output", high=bool(state))
        self._function = "output"
        self._change_state(bool(state))

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        self.factory.drive(self._number, self._function, high=self._state)

    def _set_state(self, value: bool) -> None:
        if self._function == "output":
            self.factory.drive(self._number, "output", high=bool(value))
        super()._set_state(value)


def _connect_to_rack() -> SendRequest:
    folder = os.environ.get(_STATE_VARIABLE)
    if not folder:
        raise BadPinFactory(
            f"{_STATE_VARIABLE} is not set: set it to the state folder of the virtual rack"
        )
    send = partial(control.send, Path(folder))
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            send({"command": "status"})
        except RackUnavailableError as error:
            if time.monotonic() > deadline:
                raise BadPinFactory(str(error)) from error
            time.sleep(_POLL_SECONDS)
        else:
            return send
