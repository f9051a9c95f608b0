"""The master's pins in a virtual rack, for gpiozero.

A `VirtualPin` is gpiozero's mock pin, except that the virtual rack has the pin's state: the pin
takes it over when it is made, and tells the rack whatever becomes of it. So the pin stays as it is
when the program ends, as on a Raspberry Pi's kernel, and the next program finds it.

GPIOZERO_PIN_FACTORY=virtual_rack selects these pins, by an entry point of this distribution;
PIRACK_VIRTUAL_RACK names the virtual rack's state folder.
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
from virtual_rack.control import Message, RackNotRunningError

_STATE_VARIABLE = "PIRACK_VIRTUAL_RACK"
_START_SECONDS = 15.0
_POLL_SECONDS = 0.1

SendRequest = Callable[[Message], Message]


class VirtualFactory(MockFactory):
    """Makes `VirtualPin`s of the virtual rack that PIRACK_VIRTUAL_RACK names.

    It may be started together with its rack: it waits for it.

    Args:
        send: sends a request to the rack and returns the reply, where that is not to go over the
            rack's socket.

    Raises:
        BadPinFactory: no such rack runs.
    """

    is_latching = True

    def __init__(self, send: SendRequest | None = None) -> None:
        super().__init__(pin_class=VirtualPin)
        self._send = send or _connect_to_rack()

    def close(self) -> None:
        """Leave every pin as it is."""

    def read(self, number: int) -> tuple[str, bool]:
        """Return a pin's function, `input` or `output`, and whether it is high."""
        reply = self._request({"do": "pin", "pin": number})
        return "output" if reply["output"] else "input", reply["high"]

    def drive(self, number: int, function: str, *, high: bool) -> None:
        """Let the rack have a pin's new state."""
        self._request({"do": "drive", "pin": number, "output": function == "output", "high": high})

    def _request(self, request: Message) -> Message:
        try:
            reply = self._send(request)
        except RackNotRunningError as error:
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
        """Leave the pin as it is."""

    def output_with_state(self, state: bool) -> None:
        """Drive the pin at a level, from the first moment on."""
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
            f"{_STATE_VARIABLE} is not set: name the virtual rack's state folder in it"
        )
    ask = partial(control.send, Path(folder))
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            ask({"do": "status"})
        except RackNotRunningError as error:
            if time.monotonic() > deadline:
                raise BadPinFactory(str(error)) from error
            time.sleep(_POLL_SECONDS)
        else:
            return ask
