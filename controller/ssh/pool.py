"""Run actions on rasps over persistent SSH connections.

asyncssh uses only the master's key and the pinned host keys: no agent, no password and no
`~/.ssh/config`. The rasp decides which actions are allowed: its sshd passes the name of the action
to the forced command, `pirack-exporter action`.
"""

import asyncio
import os
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh

from controller.errors import ConnectionLostError, HostKeyError, KeyRejectedError, UnreachableError
from controller.ssh.connection import (
    MAX_OUTPUT_BYTES,
    ActionResult,
    ActionSession,
    SharedConnection,
)
from controller.ssh.host_keys import HostKeys, changed_key_hint
from controller.ssh.master_key import MasterKey

__all__ = ["MAX_OUTPUT_BYTES", "ActionResult", "SshPool"]

USER = "root"

_REUSE_PROBE_SECONDS = 3.0  # to open a session on an existing connection
_KEEPALIVE_SECONDS = 30.0


class SshPool:
    """SSH connections to all rasps, for use in one asyncio loop.

    Args:
        folder: Folder of the master's key and the pinned host keys.
        port: SSH port of the rasps.
    """

    def __init__(self, folder: Path, port: int = asyncssh.DEFAULT_PORT) -> None:
        self._key = MasterKey(folder)
        self._host_keys = HostKeys(folder, port)
        self._port = port
        self._options: asyncssh.SSHClientConnectionOptions | None = None
        self._rasps: dict[IPv4Address, _RaspConnection] = {}

    async def run(self, address: IPv4Address, action: str, *, timeout: float) -> ActionResult:
        """Run an action of a rasp's `[actions]`. Return its result.

        If an existing connection fails before the action was sent, a new connection is opened once.

        Args:
            address: Address of the rasp.
            action: Name of the action.
            timeout: Seconds to connect, log in and run the action.

        Raises:
            UnreachableError: If the rasp does not respond. The action was not started.
            HostKeyError: If the host key is not the pinned key. The action was not started.
            KeyRejectedError: If the rasp rejects the master's key. The action was not started.
            ConnectionLostError: If no result arrives after the action was sent.
        """
        session = ActionSession()
        try:
            async with asyncio.timeout(timeout):
                return await self._run_action(address, action, session, timeout)
        except (asyncssh.Error, OSError) as error:  # includes TimeoutError
            rasp, reason = self._rasp_label(address), _reason(error, timeout)
            if session.is_sent:
                raise ConnectionLostError(
                    f"{rasp}: the result of {action} is unknown: {reason}"
                ) from error
            if isinstance(error, asyncssh.PermissionDenied):
                self._options = None  # load the key again: it may have been replaced
                raise KeyRejectedError(
                    f"{rasp} rejected the master's key: add the line that"
                    " `python -m controller ssh key` prints to its authorized_keys"
                ) from error
            raise UnreachableError(f"{rasp}: {action} was not started: {reason}") from error

    async def close(self) -> None:
        """Close all connections."""
        for rasp in self._rasps.values():
            if rasp.connection is not None:
                rasp.drain(rasp.connection)

    async def _run_action(
        self, address: IPv4Address, action: str, session: ActionSession, timeout: float
    ) -> ActionResult:
        rasp = self._rasps.setdefault(address, _RaspConnection())
        existing = rasp.connection
        if existing is not None and existing.is_open:
            try:
                open_timeout = min(_REUSE_PROBE_SECONDS, timeout / 2)
                return await rasp.run(existing, action, session, open_timeout=open_timeout)
            except (asyncssh.Error, OSError):
                if session.is_sent:
                    raise
        async with rasp.lock:  # concurrent actions share the new connection
            if rasp.connection is None or not rasp.connection.is_open:
                rasp.connection = SharedConnection(await self._connect(address))
            connection = rasp.connection
        return await rasp.run(connection, action, session, open_timeout=None)

    async def _connect(self, address: IPv4Address) -> asyncssh.SSHClientConnection:
        pinned = self._host_keys.for_address(address)
        if not pinned:
            raise HostKeyError(self._host_keys.missing_key_message(address))
        self._options = self._options or self._connection_options()
        client = _HostKeyRecorder()
        try:
            return await asyncssh.connect(
                str(address),
                self._port,
                config=None,  # otherwise asyncssh reads ~/.ssh/config despite the options
                options=self._options,
                known_hosts=([pinned_key.key for pinned_key in pinned], [], []),
                client_factory=lambda: client,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            expected = ", ".join(pinned_key.key.get_fingerprint() for pinned_key in pinned)
            raise HostKeyError(
                f"{self._rasp_label(address)} presented the host key {client.fingerprint}, but"
                f" {expected} is pinned: {changed_key_hint(pinned[0].name)}"
            ) from error

    def _connection_options(self) -> asyncssh.SSHClientConnectionOptions:
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            username=USER,
            client_keys=[self._key.load()],
            agent_path=None,
            preferred_auth=["publickey"],
            gss_kex=False,
            gss_auth=False,
            # OpenSSH's default, sntrup761, takes longer than the rest of the connection setup.
            kex_algs="^curve25519-sha256",
            compression_algs=None,
            keepalive_interval=_KEEPALIVE_SECONDS,
        )

    def _rasp_label(self, address: IPv4Address) -> str:
        names = {pinned.name for pinned in self._host_keys.for_address(address)} - {""}
        return f"{min(names)} ({address})" if names else f"{address}"


class _RaspConnection:
    """The current connection to a rasp, if any."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.connection: SharedConnection | None = None

    async def run(
        self,
        connection: SharedConnection,
        action: str,
        session: ActionSession,
        *,
        open_timeout: float | None,
    ) -> ActionResult:
        """Run an action. If the action fails, no further action uses this connection."""
        try:
            return await connection.run(action, session, open_timeout=open_timeout)
        except BaseException:  # includes cancellation
            self.drain(connection)
            raise

    def drain(self, connection: SharedConnection) -> None:
        """Close a connection after its last action. No further action uses the connection."""
        connection.drain()
        if self.connection is connection:
            self.connection = None


class _HostKeyRecorder(asyncssh.SSHClient):
    """Client that records the fingerprint of a rejected host key."""

    fingerprint = ""

    def validate_host_public_key(
        self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.fingerprint = key.get_fingerprint()
        return False


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError):
        return f"no response within {timeout:g} s"
    text = str(error)
    return text[:1].lower() + text[1:]
