"""Lines of relays that outlive the controller.

The holder has no policy: the controller decides which line has which level. A line is claimed at
its first use and then kept. Its descriptor is stored before the line is driven, so that a restart
or the death of the holder at any time leaves the line as it is.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rack.gpio.errors import GpioError, GpioNotReadyError
from rack.gpio.line import Ioctl, Line

CONSUMER = "pirack-relays"
"""Name that `gpioinfo` shows for the lines."""

Message = dict[str, Any]
"""A request or a reply, which consists of JSON values."""

_log = logging.getLogger(__name__)


class Chip(Protocol):
    """A GPIO chip, such as `HeaderChip`. All methods raise `GpioError`."""

    def request(self, line: int) -> int:
        """Return a descriptor of a line, whose direction and level stay."""

    def is_output(self, line: int) -> bool:
        """Return whether a requested line is an output."""

    def consumer(self, line: int) -> str:
        """Return the name of the user of a line, or an empty string."""


class Holder:
    """The held lines. Not thread-safe.

    Args:
        chip: Chip of the lines.
        stored: Stored descriptors of an earlier holder, keyed by line number.
        store: Stores the descriptor of a line beyond the end of this process.
        program: Digest of the source code, see `client.program_digest`.
        ioctl: Performs an ioctl on a line.
    """

    def __init__(
        self,
        chip: Chip,
        stored: Mapping[int, int],
        *,
        store: Callable[[int, int], None],
        program: str = "",
        ioctl: Ioctl = fcntl.ioctl,
    ) -> None:
        self._chip = chip
        self._stored = dict(stored)
        self._store = store
        self._program = program
        self._ioctl = ioctl
        self._lines: dict[int, Line] = {}

    def handle(self, request: Message) -> Message:
        """Return the reply to a request.

        A reply with the key `error` contains a problem, and `is_temporary` if it may end soon.

        - `{"command": "read", "line": 17}` returns `is_output` and `is_high`. It claims the line,
          but changes neither.
        - `{"command": "drive", "line": 17, "high": true}` makes the line an output at this level.
        - `{"command": "consumer", "line": 17}` returns the `consumer` of any line.
        - `{"command": "status"}` returns `program` and the `lines` that are held.
        """
        try:
            return self._reply(request)
        except GpioNotReadyError as error:
            return {"error": str(error), "is_temporary": True}
        except GpioError as error:
            return {"error": str(error)}

    def _reply(self, request: Message) -> Message:
        match request:
            case {"command": "status"}:
                return {"program": self._program, "lines": sorted({*self._lines, *self._stored})}
            case {"command": "consumer", "line": int(number)}:
                return {"consumer": self._chip.consumer(number)}
            case {"command": "read", "line": int(number)}:
                line = self._line(number)
                try:
                    return {"is_output": line.is_output, "is_high": line.is_high()}
                except OSError as error:
                    raise _line_error(number, "read", error) from error
            case {"command": "drive", "line": int(number), "high": bool(high)}:
                line = self._line(number)
                try:
                    line.drive(high=high)
                except OSError as error:
                    raise _line_error(number, "driven", error) from error
                return {}
            case _:
                raise GpioError(f"invalid request {request}: restart pirack-relays to update it")

    def _line(self, number: int) -> Line:
        if number not in self._lines:
            descriptor = self._stored.get(number)
            if descriptor is None:
                descriptor = self._stored[number] = self._claim(number)
            is_output = self._chip.is_output(number)
            self._lines[number] = Line(descriptor, is_output=is_output, ioctl=self._ioctl)
        return self._lines[number]

    def _claim(self, number: int) -> int:
        descriptor = self._chip.request(number)
        try:
            self._store(number, descriptor)
        except OSError as error:
            os.close(descriptor)
            raise GpioError(f"systemd cannot store GPIO{number}: {error.strerror}") from error
        _log.info("claimed GPIO%d", number)
        return descriptor


def _line_error(number: int, operation: str, error: OSError) -> GpioError:
    return GpioError(f"GPIO{number} cannot be {operation}: {error.strerror}: restart the machine")
