"""An open connection to a rasp, and what comes back over it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import asyncssh

MAX_OUTPUT_BYTES = 64 * 1024
"""So much of an action's output is kept, its beginning."""

_MAX_CONCURRENT_ACTIONS = 8  # actions on one connection; OpenSSH allows 10 (MaxSessions)


@dataclass(frozen=True, slots=True)
class ActionResult:
    """How an action ended on a rasp.

    `output` is what it printed, both streams as they came; `is_truncated` tells that there was more.
    """

    exit_status: int
    output: str
    is_truncated: bool = False


class ActionSession(asyncssh.SSHClientSession[bytes]):
    """What comes back from one action."""

    def __init__(self) -> None:
        self.is_sent = False
        self.on_sent: Callable[[], None] = lambda: None
        self._output = bytearray()
        self._is_truncated = False
        self._exit_status: int | None = None
        self._closed = asyncio.Event()
        self._error: Exception | None = None

    def connection_made(self, _chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Note that a session is open: the library sends the action's name next."""
        self.is_sent = True
        self.on_sent()

    def data_received(self, data: bytes, _datatype: asyncssh.DataType) -> None:
        """Keep what was printed, as far as there is room."""
        room = MAX_OUTPUT_BYTES - len(self._output)
        self._output += data[:room]
        self._is_truncated |= len(data) > room

    def exit_status_received(self, status: int) -> None:
        """Keep the exit status."""
        self._exit_status = status

    def exit_signal_received(self, _signal: str, _core_dumped: bool, _msg: str, _lang: str) -> None:
        """Keep the exit status that `ssh` has for what was killed."""
        self._exit_status = 255

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more will come."""
        self._error = exc
        self._closed.set()

    async def wait(self) -> ActionResult:
        """Return how the action ended, once it has.

        Raises:
            asyncssh.Error: nobody will ever know.
            OSError: likewise.
        """
        await self._closed.wait()
        if self._exit_status is None:
            raise self._error or asyncssh.ConnectionLost("Closed without an exit status")
        return ActionResult(
            self._exit_status, self._output.decode(errors="replace"), self._is_truncated
        )


class SharedConnection:
    """An open connection, shared by all actions of one rasp."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        self._semaphore = asyncio.Semaphore(_MAX_CONCURRENT_ACTIONS)
        self._active_actions = 0
        self._is_draining = False

    @property
    def is_open(self) -> bool:
        """Whether it can be used for another action."""
        return not self._is_draining and not self._connection.is_closed()

    def drain(self) -> None:
        """Use it for nothing new; it is closed when the last action on it has ended."""
        self._is_draining = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_draining and not self._active_actions:
            self._connection.abort()

    async def run(
        self, action: str, session: ActionSession, *, open_timeout: float | None
    ) -> ActionResult:
        """Run an action; `open_timeout` bounds the seconds until it is known that somebody listens.

        Raises:
            TimeoutError: nobody does.
            asyncssh.Error: it cannot be asked for, or its end is not known.
            OSError: likewise.
        """
        self._active_actions += 1
        try:
            async with self._semaphore, asyncio.timeout(open_timeout) as limit:
                session.on_sent = lambda: limit.reschedule(None)
                await self._connection.create_session(
                    lambda: session, action, request_pty=False, encoding=None
                )
                return await session.wait()
        finally:
            self._active_actions -= 1
            self._close_if_unused()
