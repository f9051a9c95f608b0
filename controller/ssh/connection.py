"""An open SSH connection to a rasp, and the sessions of its actions."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import asyncssh

MAX_OUTPUT_BYTES = 64 * 1024
"""Maximum output of an action. Further output is discarded."""

# OpenSSH allows 10 sessions per connection (MaxSessions), and counts those that have just ended:
# it frees them after it has handled all received packets, which may open as many new sessions.
_MAX_CONCURRENT_ACTIONS = 5


@dataclass(frozen=True, slots=True)
class ActionResult:
    """Result of an action on a rasp. `output` contains stdout and stderr in order of arrival."""

    exit_status: int
    output: str
    is_truncated: bool = False


class ActionSession(asyncssh.SSHClientSession[bytes]):
    """The SSH session of one action."""

    def __init__(self) -> None:
        self.is_sent = False
        self.on_sent: Callable[[], None] = lambda: None
        self._output = bytearray()
        self._is_truncated = False
        self._exit_status: int | None = None
        self._closed = asyncio.Event()
        self._error: Exception | None = None

    def connection_made(self, _chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Record that the session is open. asyncssh sends the action's name next."""
        self.is_sent = True
        self.on_sent()

    def data_received(self, data: bytes, _datatype: asyncssh.DataType) -> None:
        """Store output up to the maximum."""
        free = MAX_OUTPUT_BYTES - len(self._output)
        self._output += data[:free]
        self._is_truncated |= len(data) > free

    def exit_status_received(self, status: int) -> None:
        """Store the exit status."""
        self._exit_status = status

    def exit_signal_received(self, _signal: str, _core_dumped: bool, _msg: str, _lang: str) -> None:
        """Store 255, as `ssh` does for a killed command."""
        self._exit_status = 255

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the session has ended."""
        self._error = exc
        self._closed.set()

    async def wait(self) -> ActionResult:
        """Wait until the action ends. Return its result.

        Raises:
            asyncssh.Error: If the session ends without an exit status.
            OSError: If the connection breaks.
        """
        await self._closed.wait()
        if self._exit_status is None:
            raise self._error or asyncssh.ConnectionLost("Closed without an exit status")
        return ActionResult(
            self._exit_status, self._output.decode(errors="replace"), self._is_truncated
        )


class SharedConnection:
    """An open connection that all actions on one rasp share."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        self._semaphore = asyncio.Semaphore(_MAX_CONCURRENT_ACTIONS)
        self._active_actions = 0
        self._is_draining = False

    @property
    def is_open(self) -> bool:
        """Whether the connection accepts another action."""
        return not self._is_draining and not self._connection.is_closed()

    def drain(self) -> None:
        """Accept no further action. Close the connection when the last action has ended."""
        self._is_draining = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_draining and not self._active_actions:
            self._connection.abort()

    async def run(
        self, action: str, session: ActionSession, *, open_timeout: float | None
    ) -> ActionResult:
        """Run an action. `open_timeout` limits the seconds until the session is open.

        Raises:
            TimeoutError: If the session does not open in time.
            asyncssh.Error: If the session does not open, or ends without an exit status.
            OSError: If the connection breaks.
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
