"""Client of NATS JetStream. It speaks the text protocol of NATS, and the JSON API of JetStream."""

import json
import secrets
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from examples.experiments.clients.workload import RefusedError

PORT = 4222

_STREAM = "integers"
_SECONDS = 2.0
_CREATE_SECONDS = 20.0
_RETRY_SECONDS = 0.1
_STREAM_NOT_FOUND = 10059  # an error code of JetStream
_NO_RESPONDERS = b"NATS/1.0 503"


class _Message(NamedTuple):
    reply_subject: str
    payload: bytes


class NatsConnection:
    """Connection to a NATS server."""

    def __init__(self, address: str) -> None:
        self._socket = socket.create_connection((address, PORT), _SECONDS)
        self._stream = self._socket.makefile("rb")
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        options = {"verbose": False, "headers": True, "no_responders": True}
        self._send(f"CONNECT {json.dumps(options)}\r\nSUB {self._inbox} 1\r\n")

    def create_stream(self, replicas: int) -> None:
        """Create the stream with this number of replicas.

        Raises:
            RefusedError: If JetStream cannot create the stream.
            OSError: If the server does not respond.
        """
        config = {
            "name": _STREAM,
            "subjects": [_STREAM],
            "storage": "file",
            "retention": "limits",
            "num_replicas": replicas,
        }
        reply = self._api(f"STREAM.CREATE.{_STREAM}", config)
        if "error" in reply:
            raise RefusedError(reply["error"]["description"])

    def require_leader(self) -> None:
        """Return if JetStream has a leader, which alone answers this request."""
        self._api("INFO", {})

    def add(self, value: int) -> None:
        """Publish an integer, and wait for the acknowledgement of the stream."""
        self._publish(_STREAM, str(value).encode())
        reply = json.loads(self._message().payload)
        if "seq" not in reply:
            raise ConnectionAbortedError(f"the stream did not store a message: {reply}")

    def read(self) -> list[int]:
        """Return the integers in the stream, or none if the stream does not exist any more."""
        info = self._api(f"STREAM.INFO.{_STREAM}", {})
        if info.get("error", {}).get("err_code") == _STREAM_NOT_FOUND:
            return []
        count = int(info["state"]["messages"])
        consumer = {"deliver_subject": self._inbox, "ack_policy": "none", "mem_storage": True}
        subject = f"CONSUMER.CREATE.{_STREAM}"
        payload = json.dumps({"stream_name": _STREAM, "config": consumer}).encode()
        self._publish(f"$JS.API.{subject}", payload)
        values: list[int] = []
        while len(values) < count:
            message = self._message()
            # The reply to the request and the messages of the stream share one inbox.
            if message.reply_subject:
                values.append(int(message.payload))
        return values

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._socket.close()

    def _api(self, subject: str, request: object) -> Any:
        self._publish(f"$JS.API.{subject}", json.dumps(request).encode())
        return json.loads(self._message().payload)

    def _publish(self, subject: str, payload: bytes) -> None:
        self._send(f"PUB {subject} {self._inbox} {len(payload)}\r\n", payload + b"\r\n")

    def _send(self, line: str, payload: bytes = b"") -> None:
        self._socket.sendall(line.encode() + payload)

    def _message(self) -> _Message:
        """Return the next message.

        Raises:
            RefusedError: If nothing subscribes to the subject of the request.
            OSError: If the server does not respond, or reports an error.
        """
        while True:
            line = self._stream.readline()
            words = line.decode().split()
            match words[:1]:
                case ["MSG"]:
                    payload = self._payload(words)
                    return _Message(words[3] if len(words) == 5 else "", payload)  # noqa: PLR2004
                case ["HMSG"]:
                    if self._payload(words).startswith(_NO_RESPONDERS):
                        raise RefusedError("JetStream is not available")
                case ["PING"]:
                    self._send("PONG\r\n")
                case ["INFO"] | ["PONG"]:
                    pass
                case _:
                    raise ConnectionResetError(f"the server sent {line!r}")

    def _payload(self, words: Sequence[str]) -> bytes:
        size = int(words[-1]) + 2
        data = self._stream.read(size)
        if len(data) != size:
            raise ConnectionResetError("the server closed the connection")
        return data[:-2]


def connect(nodes: Sequence[str]) -> NatsConnection:
    """Connect to the first node that responds."""
    for node in nodes:
        try:
            return NatsConnection(node)
        except OSError:
            continue
    raise ConnectionRefusedError(f"no NATS server responds on {', '.join(nodes)}")


def require_ready(nodes: Sequence[str]) -> None:
    """Return if all nodes respond, and JetStream has a leader.

    Raises:
        RefusedError: If JetStream is not available.
        OSError: If a node does not respond, or JetStream has no leader.
    """
    for node in nodes:
        connection = NatsConnection(node)
        try:
            connection.require_leader()
        finally:
            connection.close()


def create_stream(nodes: Sequence[str]) -> None:
    """Create the stream with a replica on each node. Repeat it until JetStream knows all nodes.

    Raises:
        RefusedError: If JetStream cannot create the stream.
        OSError: If JetStream does not respond.
    """
    deadline = time.monotonic() + _CREATE_SECONDS
    while True:
        try:
            _create_stream(nodes)
        except (OSError, RefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _create_stream(nodes: Sequence[str]) -> None:
    connection = connect(nodes)
    try:
        connection.create_stream(len(nodes))
    finally:
        connection.close()
