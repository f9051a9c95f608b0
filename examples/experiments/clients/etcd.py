"""Client of etcd. It uses the JSON gateway of etcd's API."""

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

PORT = 2379

_PREFIX = "integers/"
_SECONDS = 2.0


class EtcdConnection:
    """Connection to a member. A write is linearizable, and so is a read."""

    def __init__(self, address: str) -> None:
        self._http = http.client.HTTPConnection(address, PORT, timeout=_SECONDS)
        self._http.connect()

    def add(self, value: int) -> None:
        """Write a key for an integer."""
        self.post("kv/put", {"key": _encode(f"{_PREFIX}{value}"), "value": _encode("")})

    def read(self) -> list[int]:
        """Return the integers of all keys."""
        end = _PREFIX[:-1] + chr(ord(_PREFIX[-1]) + 1)
        keys = {"key": _encode(_PREFIX), "range_end": _encode(end), "keys_only": True}
        found = self.post("kv/range", keys).get("kvs", [])
        return [int(_decode(pair["key"]).removeprefix(_PREFIX)) for pair in found]

    def post(self, path: str, request: Mapping[str, object]) -> Any:
        """Call a method of the API.

        Raises:
            OSError: If the member does not respond, or reports an error.
        """
        try:
            self._http.request("POST", f"/v3/{path}", json.dumps(request))
            response = self._http.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise ConnectionAbortedError(f"the response is malformed: {error!r}") from error
        if response.status != HTTPStatus.OK:
            raise ConnectionAbortedError(f"etcd reports {body[:200]!r}")
        return json.loads(body)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def connect(nodes: Sequence[str]) -> EtcdConnection:
    """Connect to the first member that responds."""
    for node in nodes:
        with suppress(OSError):
            return EtcdConnection(node)
    raise ConnectionRefusedError(f"no member of etcd responds on {', '.join(nodes)}")


def leader(nodes: Sequence[str]) -> str:
    """Return the address of the leader.

    Raises:
        OSError: If no member responds, or none of them is the leader.
    """
    for node in nodes:
        with suppress(OSError):
            connection = EtcdConnection(node)
            try:
                status = connection.post("maintenance/status", {})
            finally:
                connection.close()
            if status["leader"] == status["header"]["member_id"]:
                return node
    raise ConnectionRefusedError(f"etcd has no leader on {', '.join(nodes)}")


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()
