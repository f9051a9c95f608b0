"""Client of Redis with Sentinel. It speaks RESP, the protocol of Redis."""

import socket
from collections.abc import Sequence
from typing import Any

from examples.experiments.clients.workload import RefusedError

PORT = 6379
SENTINEL_PORT = 26379
PRIMARY = "example"
"""Name of the primary in the configuration of Sentinel."""

_KEY = "integers"
_SECONDS = 2.0


class RedisConnection:
    """Connection to a Redis or Sentinel server."""

    def __init__(self, address: str, port: int = PORT) -> None:
        self._socket = socket.create_connection((address, port), _SECONDS)
        self._stream = self._socket.makefile("rb")

    def add(self, value: int) -> None:
        """Append an integer to the list."""
        self.execute("RPUSH", _KEY, value)

    def read(self) -> list[int]:
        """Return the integers of the list."""
        return [int(item) for item in self.execute("LRANGE", _KEY, 0, -1)]

    def execute(self, *words: str | int) -> Any:
        """Execute a command.

        Raises:
            RefusedError: If the server returns an error.
            OSError: If the server does not respond.
        """
        encoded = [str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)]
        self._socket.sendall(b"".join(parts))
        return self._reply()

    def _reply(self) -> Any:
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode()
        match kind:
            case b"+":
                return text
            case b"-":
                raise RefusedError(text)
            case b":":
                return int(text)
            case b"$" if text == "-1":
                return None
            case b"$":
                return self._text(int(text) + 2)[:-2]
            case b"*":
                return [self._reply() for _ in range(int(text))]
        raise ConnectionAbortedError(f"unexpected reply {line!r}")

    def _text(self, size: int) -> str:
        data = self._stream.read(size)
        if len(data) != size:
            raise ConnectionResetError("the server closed the connection")
        return data.decode()

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._socket.close()


def connect(nodes: Sequence[str]) -> RedisConnection:
    """Connect to the primary."""
    return RedisConnection(primary(nodes))


def primary(nodes: Sequence[str]) -> str:
    """Return the address of the primary, from the first Sentinel that responds.

    Raises:
        OSError: If no Sentinel responds.
        RefusedError: If Sentinel has no primary.
    """
    for node in nodes:
        try:
            sentinel = RedisConnection(node, SENTINEL_PORT)
        except OSError:
            continue
        try:
            address, _port = sentinel.execute("SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY)
            return str(address)
        finally:
            sentinel.close()
    raise ConnectionRefusedError(f"no Sentinel responds on {', '.join(nodes)}")


def require_ready(nodes: Sequence[str]) -> None:
    """Return if the primary has all other nodes as replicas, and each Sentinel knows the others.

    Raises:
        RefusedError: If the nodes are not ready.
        OSError: If a node does not respond.
    """
    redis = connect(nodes)
    try:
        replicas = str(redis.execute("INFO", "replication")).count("state=online")
    finally:
        redis.close()
    if replicas != len(nodes) - 1:
        raise RefusedError(f"{replicas} of {len(nodes) - 1} replicas are online")
    for node in nodes:
        sentinel = RedisConnection(node, SENTINEL_PORT)
        try:
            known = sentinel.execute("SENTINEL", "SENTINELS", PRIMARY)
        finally:
            sentinel.close()
        if len(known) != len(nodes) - 1:
            raise RefusedError(f"the Sentinel on {node} knows {len(known)} others")
