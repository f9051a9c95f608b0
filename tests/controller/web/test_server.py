"""Tests of the HTTP server with hostile clients."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from flask import Flask

from controller.web import server
from tests.controller.running_server import running_server
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

HALF_HEADER = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
REQUEST = HALF_HEADER + b"\r\n"


@pytest.fixture
def open_sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(url: str, open_sockets: ExitStack, sent: bytes) -> socket.socket:
    """Open a connection and send some bytes."""
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port or 0), TIMEOUT_SECONDS)
    open_sockets.enter_context(closing(client))
    client.sendall(sent)
    return client


def is_closed(client: socket.socket) -> bool:
    """Return whether the server has closed a connection."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def receive_all(client: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection."""
    received = bytearray()
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionResetError:  # bytes of the request were not read
        pass
    return bytes(received)


def test_silent_connections_do_not_delay_other_requests(url: str, open_sockets: ExitStack) -> None:
    silent = [connect(url, open_sockets, HALF_HEADER) for _ in range(300)]
    assert requests.get(f"{url}/healthz", timeout=TIMEOUT_SECONDS).text == "ok\n"
    wait_until(lambda: sum(map(is_closed, silent)) >= 300 - server.MAX_CONNECTIONS_PER_NETWORK)


def test_large_body_is_rejected_before_it_is_sent(url: str, open_sockets: ExitStack) -> None:
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
    client = connect(url, open_sockets, head.encode())
    assert receive_all(client).startswith(b"HTTP/1.1 413 ")


def test_endless_chunked_body_is_rejected(url: str, open_sockets: ExitStack) -> None:
    head = "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = connect(url, open_sockets, head.encode())
    chunk = b"10000\r\n" + 0x10000 * b"x" + b"\r\n"
    try:
        for _ in range(100):
            client.sendall(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return  # the server closed the connection before the end
    assert b" 413 " in receive_all(client)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({"X": "x" * 100_000}, b"", 431), ({}, b"x" * (server.MAX_REQUEST_BYTES + 1), 413)],
    ids=["header", "body"],
)
def test_request_that_is_too_large_is_answered_with_a_problem(
    url: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = requests.post(url, body, headers=headers, timeout=TIMEOUT_SECONDS)
    assert response.status_code == response.json()["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]


def test_pipelined_requests_close_the_connection(url: str, open_sockets: ExitStack) -> None:
    client = connect(url, open_sockets, REQUEST * 200)
    assert receive_all(client).count(b"HTTP/1.1 ") < 10
    assert requests.get(f"{url}/healthz", timeout=TIMEOUT_SECONDS).ok


@pytest.fixture
def impatient_url(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a server that waits one second instead of a minute."""
    for name in ("_REQUEST_SECONDS", "_STALLED_RESPONSE_SECONDS", "_CHECK_SECONDS"):
        monkeypatch.setattr(server, name, 1)
    with running_server(app) as url:
        yield url


def test_dripping_request_is_closed_after_its_time(
    impatient_url: str, open_sockets: ExitStack
) -> None:
    client = connect(impatient_url, open_sockets, HALF_HEADER)

    def is_rejected() -> bool:
        try:
            client.sendall(b"X-Drip: drop\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    wait_until(is_rejected)


def test_client_that_reads_nothing_is_disconnected(
    impatient_url: str, open_sockets: ExitStack
) -> None:
    # Larger than the buffers of the kernel, so that the rest stays in the controller.
    largest = max(Path("controller/static").iterdir(), key=lambda path: path.stat().st_size)
    request = f"GET /static/{largest.name} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client = connect(impatient_url, open_sockets, b"")
    wait_until(lambda: is_open_in_server(client))
    client.sendall(request.encode() * 4)
    wait_until(lambda: not is_open_in_server(client))
    assert len(receive_all(client)) < 4 * largest.stat().st_size


def is_open_in_server(client: socket.socket) -> bool:
    """Return whether the server, which is in this process, has an open connection of a client."""
    connections = psutil.Process().net_connections("tcp")
    return client.getsockname() in {connection.raddr for connection in connections}
