"""Keys that a user presses on a terminal, without Enter."""

import os
import re
import select
import signal
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|.", re.DOTALL)
_NAMES = {
    **dict.fromkeys(("\x1b[A", "\x1bOA"), "up"),
    **dict.fromkeys(("\x1b[B", "\x1bOB"), "down"),
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}


class Keyboard:
    """The keyboard of the terminal in a `with` block, which restores the terminal at its end.

    Keys are not displayed. Any signal ends a wait for keys, also one that arrives just before it.
    Ctrl-Z has no effect, because a stopped command would leave the terminal as it is.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._settings: list[Any] = []
        self._signals = (-1, -1)
        self._previous_wakeup = -1
        self._previous_handler: Any = None

    def __enter__(self) -> Self:
        self._signals = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._previous_wakeup = signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        # Python notifies the pipe only of signals that have a handler.
        self._previous_handler = signal.signal(signal.SIGWINCH, lambda *_: None)
        self._settings = termios.tcgetattr(self._terminal)
        settings = termios.tcgetattr(self._terminal)
        settings[tty.LFLAG] &= ~(termios.ECHO | termios.ICANON)
        settings[tty.CC][termios.VMIN] = 1
        settings[tty.CC][termios.VSUSP] = b"\0"
        termios.tcsetattr(self._terminal, termios.TCSANOW, settings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._terminal, termios.TCSAFLUSH, self._settings)
        signal.signal(signal.SIGWINCH, self._previous_handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        for descriptor in self._signals:
            os.close(descriptor)

    def read(self, timeout: float) -> list[str]:
        """Wait for keys, and return their names, such as `up` or `q`.

        The list is empty after the timeout, and after a signal, such as a change of the size of the
        terminal.

        Raises:
            EOFError: If the terminal is closed.
        """
        ready, _, _ = select.select([self._terminal, self._signals[0]], [], [], max(timeout, 0.0))
        if self._signals[0] in ready:
            os.read(self._signals[0], 2**12)
        if self._terminal not in ready:
            return []
        try:
            data = os.read(self._terminal, 2**12)
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return [_NAMES.get(key, key) for key in _KEY.findall(data.decode(errors="replace"))]
