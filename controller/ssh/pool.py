"""Actions on rasps by SSH, over connections that are kept open.

The client is asyncssh, with the master's key and the pinned host keys alone: no agent, no
password, and nobody's `~/.ssh/config`. Which action may run is the rasp's own decision: sshd there
gives the name that is asked for to `pirack-exporter action`, as its forced command.
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

_REUSE_PROBE_SECONDS = 3.0  # what a kept connection gets to show that it still lives
_KEEPALIVE_SECONDS = 30.0


class SshPool:
    """The way to all rasps. It belongs to one asyncio loop.

    Args:
        folder: where the master's key and the pinned host keys are.
        port: the rasps' SSH port.
    """

    def __init__(self, folder: Path, port: int = asyncssh.DEFAULT_PORT) -> None:
        self._key = MasterKey(folder)
        self._host_keys = HostKeys(folder, port)
        self._port = port
        self._options: asyncssh.SSHClientConnectionOptions | None = None
        self._rasps: dict[IPv4Address, _RaspConnection] = {}

    async def run(self, address: IPv4Address, action: str, *, timeout: float) -> ActionResult:
        """Run an action of a rasp's `[actions]`, and return how it ended.

        A kept connection is used where there is one; if it turns out to be dead before the action
        was asked for, another one is made, once.

        Args:
            address: the rasp's.
            action: the action's name.
            timeout: seconds for all of it: to connect, to log in, to run.

        Raises:
            Unreachable: the action surely did not run: nobody answers, or not in time.
            WrongHostKey: nor did it here: the host key is not the pinned one.
            NotAllowed: nor did it here: the rasp refuses the master's key.
            Lost: it was asked for, and no answer came in time, or the connection broke.
        """
        reply = ActionSession()
        try:
            async with asyncio.timeout(timeout):
                return await self._run_action(address, action, reply, timeout)
        except (asyncssh.Error, OSError) as error:  # among them TimeoutError
            where, why = self._rasp_label(address), _reason(error, timeout)
            if reply.is_sent:
                raise ConnectionLostError(
                    f"{where} was asked for {action}, and then {why}"
                ) from error
            if isinstance(error, asyncssh.PermissionDenied):
                self._options = None  # the key may be another one by now
                raise KeyRejectedError(
                    f"{where} refuses the master's key: give it the line that"
                    " `python -m controller ssh key` prints"
                ) from error
            raise UnreachableError(f"{where} was not asked for {action}: {why}") from error

    async def close(self) -> None:
        """Close all connections."""
        for rasp in self._rasps.values():
            if rasp.connection is not None:
                rasp.drain(rasp.connection)

    async def _run_action(
        self, address: IPv4Address, action: str, session: ActionSession, timeout: float
    ) -> ActionResult:
        rasp = self._rasps.setdefault(address, _RaspConnection())
        kept = rasp.connection
        if kept is not None and kept.is_open:
            try:
                within = min(_REUSE_PROBE_SECONDS, timeout / 2)
                return await rasp.run(kept, action, session, open_timeout=within)
            except (asyncssh.Error, OSError):
                if session.is_sent:
                    raise
        async with rasp.lock:  # all who want one at once get the same
            if rasp.connection is None or not rasp.connection.is_open:
                rasp.connection = SharedConnection(await self._connect(address))
            line = rasp.connection
        return await rasp.run(line, action, session, open_timeout=None)

    async def _connect(self, address: IPv4Address) -> asyncssh.SSHClientConnection:
        pinned = self._host_keys.for_address(address)
        if not pinned:
            raise HostKeyError(
                f"no host key of {address} is pinned: run `python -m controller ssh pin`"
            )
        self._options = self._options or self._connection_options()
        client = _HostKeyRecorder()
        try:
            return await asyncssh.connect(
                str(address),
                self._port,
                config=None,  # else ~/.ssh/config is read here, whatever the options say
                options=self._options,
                known_hosts=([each.key for each in pinned], [], []),
                client_factory=lambda: client,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            known = ", ".join(each.key.get_fingerprint() for each in pinned)
            raise HostKeyError(
                f"{self._rasp_label(address)} shows the host key {client.fingerprint}, and {known} is pinned:"
                f" {changed_key_hint(pinned[0].name)}"
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
            # OpenSSH's own first choice, sntrup761, costs far more than all the rest together.
            kex_algs="^curve25519-sha256",
            compression_algs=None,
            keepalive_interval=_KEEPALIVE_SECONDS,
        )

    def _rasp_label(self, address: IPv4Address) -> str:
        names = {each.name for each in self._host_keys.for_address(address)} - {""}
        return f"{min(names)} ({address})" if names else f"{address}"


class _RaspConnection:
    """What is kept of a rasp: its connection, if there is one."""

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
        """Run an action; where that fails, nobody uses this connection for another one."""
        try:
            return await connection.run(action, session, open_timeout=open_timeout)
        except BaseException:  # a cancellation, too
            self.drain(connection)
            raise

    def drain(self, connection: SharedConnection) -> None:
        """Use a connection for nothing new; it is closed when the last action on it has ended."""
        connection.drain()
        if self.connection is connection:
            self.connection = None


class _HostKeyRecorder(asyncssh.SSHClient):
    """Remembers the host key that is not the pinned one."""

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
        return f"no answer came within {timeout:g} s"
    text = str(error)
    return text[:1].lower() + text[1:]
