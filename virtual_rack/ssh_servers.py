"""SSH servers of a loopback rack, on one asyncio loop in one thread.

Each server accepts only root with the master's key, and returns the results of simulated actions.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import IPv4Address

import asyncssh

from virtual_rack import hostile_ssh
from virtual_rack.actions import SimulatedResult
from virtual_rack.faults import Fault

SSH_PORT = 9822
"""SSH port of the rasps. Port 22 is not suitable, because it requires root and may be in use."""

_SSH_FAULTS = frozenset(
    {
        Fault.SSH_REFUSES,
        Fault.SSH_HANGS,
        Fault.SSH_SLOW,
        Fault.NEW_HOST_KEY,
        Fault.WEDGED,
        Fault.HOSTILE,
    }
)
_SLOW_SECONDS = 3.0
_CALL_SECONDS = 10.0
_BACKLOG = 128
_BANNER_CHARACTERS = 32_000  # must fit in one packet


class SshLoop:
    """A reference-counted asyncio loop in a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._thread: threading.Thread | None = None
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        # At level INFO, asyncssh logs every connection.
        logging.getLogger("asyncssh").setLevel(logging.WARNING)

    def acquire(self) -> None:
        """Add a reference. Start the loop if it is the first reference."""
        with self._lock:
            self._users += 1
            if self._thread is None:
                self._started = Future()
                self._thread = threading.Thread(
                    target=lambda: asyncio.run(self._run_until_released()),
                    name="ssh servers",
                    daemon=True,
                )
                self._thread.start()

    async def _run_until_released(self) -> None:
        stop = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    def release(self) -> None:
        """Remove a reference. Stop the loop if it was the last reference."""
        with self._lock:
            self._users -= 1
            if self._thread is not None and not self._users:
                loop, stop = self._started.result(_CALL_SECONDS)
                loop.call_soon_threadsafe(stop.set)
                self._thread.join()
                self._thread = None

    def run(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run a coroutine on the loop. Propagate the exceptions of the coroutine."""
        loop, _ = self._started.result(_CALL_SECONDS)
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(_CALL_SECONDS)


class SshServer:
    """The SSH server of a rasp.

    Args:
        loop: Shared asyncio loop.
        address: Address to listen on, at `SSH_PORT`.
        host_key: Host key of the rasp.
        master_key: Public key that is accepted.
        run_action: Function that runs an action.
    """

    def __init__(
        self,
        loop: SshLoop,
        address: IPv4Address,
        *,
        host_key: asyncssh.SSHKey,
        master_key: asyncssh.SSHKey,
        run_action: Callable[[str], SimulatedResult],
    ) -> None:
        self.master_key = master_key
        self.run_action = run_action
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.is_responsive = asyncio.Event()
        self.action_delay = 0.0
        self.is_hostile = False
        self._loop = loop
        self._address = address
        self._own_key = host_key
        self._key = host_key
        self._faults: Collection[Fault] | None = None  # None while the server is closed
        self._socket: socket.socket | None = None
        self._acceptor: asyncssh.SSHAcceptor | None = None

    def serve(self, faults: Collection[Fault]) -> None:
        """Serve requests with these faults.

        Raises:
            OSError: If the address and port cannot be bound.
        """
        new = _SSH_FAULTS.intersection(faults)
        if new == self._faults:
            return
        if self._faults is None:
            self._loop.acquire()
        previous, self._faults = self._faults or frozenset(), new
        self._loop.run(self._apply_faults(previous, new))

    def close(self) -> None:
        """Stop serving requests, release the port and close all connections."""
        if self._faults is None:
            return
        self._faults = None
        self._loop.run(self._stop())
        self._loop.release()

    async def _apply_faults(self, previous: Collection[Fault], new: Collection[Fault]) -> None:
        if (Fault.NEW_HOST_KEY in previous) != (Fault.NEW_HOST_KEY in new):
            await self._stop()
            is_new = Fault.NEW_HOST_KEY in new
            self._key = asyncssh.generate_private_key("ssh-ed25519") if is_new else self._own_key
        if Fault.SSH_REFUSES in new:
            await self._stop()
            return
        self.action_delay = _SLOW_SECONDS if Fault.SSH_SLOW in new else 0.0
        self.is_hostile = Fault.HOSTILE in new
        if self._socket is None:
            self._socket = socket.create_server((str(self._address), SSH_PORT), backlog=_BACKLOG)
        if Fault.SSH_HANGS in new or Fault.WEDGED in new:
            # The kernel still completes new connections.
            self.is_responsive.clear()
            self._stop_accepting()
        else:
            self.is_responsive.set()
            await self._accept(self._socket)

    async def _accept(self, listening: socket.socket) -> None:
        if self._acceptor is None:
            self._acceptor = await asyncssh.listen(
                sock=listening.dup(),
                config=None,
                server_factory=lambda: _ServerConnection(self),
                server_host_keys=[self._key],
                password_auth=False,
                kbdint_auth=False,
                gss_host=None,
                compression_algs=None,
                allow_pty=False,
                agent_forwarding=False,
            )

    def _stop_accepting(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    async def _stop(self) -> None:
        self._stop_accepting()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self.connections):
            connection.abort()
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), _CALL_SECONDS / 2)


class _ServerConnection(asyncssh.SSHServer):
    """A connection to a rasp."""

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.connections.add(conn)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._connection is not None:
            self._server.connections.discard(self._connection)

    def begin_auth(self, _username: str) -> bool:
        if self._server.is_hostile and self._connection is not None:
            self._connection.send_auth_banner(hostile_ssh.TEXT[:_BANNER_CHARACTERS])
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and key == self._server.master_key

    async def session_requested(self) -> asyncssh.SSHServerSession[str]:
        await self._server.is_responsive.wait()
        return _ActionSession(self._server)


class _ActionSession(asyncssh.SSHServerSession[str]):
    """A session that runs one action."""

    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._channel: asyncssh.SSHServerChannel[str] | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._task = asyncio.create_task(self._run_action(command))
        return True

    def shell_requested(self) -> bool:
        return self.exec_requested("")

    def eof_received(self) -> bool:
        return True  # keep the channel open for the result

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run_action(self, requested: str) -> None:
        await asyncio.sleep(self._server.action_delay)
        await self._server.is_responsive.wait()
        if self._server.is_hostile:
            result = SimulatedResult(hostile_ssh.TEXT, hostile_ssh.TEXT)
        else:
            result = self._server.run_action(requested)
        await asyncio.sleep(result.seconds)
        result.on_finished()  # called first, so that the effect precedes the result
        if self._channel is not None:
            self._channel.write(result.output)
            self._channel.write_stderr(result.error_output)
            self._channel.exit(result.exit_status)
