"""An open connection to a rasp, and what comes back over it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import asyncssh

OUTPUT_BYTES = 64 * 1024
"""So much of an action's output is kept, its beginning."""

_AT_ONCE = 8  # actions on one connection; OpenSSH allows 10 (MaxSessions)


@dataclass(frozen=True, slots=True)
class Ran:
    """How an action ended on a rasp.

    `output` is what it printed, both streams as they came; `is_cut` tells that there was more.
    """

    exit_status: int
    output: str
    is_cut: bool = False


class Reply(asyncssh.SSHClientSession[bytes]):
    """What comes back from one action."""

    def __init__(self) -> None:
        self.is_asked = False
        self.when_asked: Callable[[], None] = lambda: None
        self._output = bytearray()
        self._is_cut = False
        self._status: int | None = None
        self._has_ended = asyncio.Event()
        self._trouble: Exception | None = None

    def connection_made(self, _chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Note that a session is open: the library sends the action's name next."""
        self.is_asked = True
        self.when_asked()

    def data_received(self, data: bytes, _datatype: asyncssh.DataType) -> None:
        """Keep what was printed, as far as there is room."""
        room = OUTPUT_BYTES - len(self._output)
        self._output += data[:room]
        self._is_cut |= len(data) > room

    def exit_status_received(self, status: int) -> None:
        """Keep the exit status."""
        self._status = status

    def exit_signal_received(self, _signal: str, _core_dumped: bool, _msg: str, _lang: str) -> None:
        """Keep the exit status that `ssh` has for what was killed."""
        self._status = 255

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more will come."""
        self._trouble = exc
        self._has_ended.set()

    async def wait(self) -> Ran:
        """Return how the action ended, once it has.

        Raises:
            asyncssh.Error: nobody will ever know.
            OSError: likewise.
        """
        await self._has_ended.wait()
        if self._status is None:
            raise self._trouble or asyncssh.ConnectionLost("Closed without an exit status")
        return Ran(self._status, self._output.decode(errors="replace"), self._is_cut)


class Line:
    """An open connection, shared by all actions of one rasp."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._users = 0
        self._is_retired = False

    @property
    def is_open(self) -> bool:
        """Whether it can be used for another action."""
        return not self._is_retired and not self._connection.is_closed()

    def retire(self) -> None:
        """Use it for nothing new; it is closed when the last action on it has ended."""
        self._is_retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._users:
            self._connection.abort()

    async def ask(self, action: str, reply: Reply, *, within: float | None) -> Ran:
        """Run an action; `within` bounds the seconds until it is known that somebody listens.

        Raises:
            TimeoutError: nobody does.
            asyncssh.Error: it cannot be asked for, or its end is not known.
            OSError: likewise.
        """
        self._users += 1
        try:
            async with self._places, asyncio.timeout(within) as limit:
                reply.when_asked = lambda: limit.reschedule(None)
                await self._connection.create_session(
                    lambda: reply, action, request_pty=False, encoding=None
                )
                return await reply.wait()
        finally:
            self._users -= 1
            self._close_if_unused()
