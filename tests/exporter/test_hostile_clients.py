"""Tests that clients which occupy connections do not prevent a scrape."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
import requests

from exporter import http_server
from exporter.http_server import MAX_CONNECTIONS
from tests.exporter.scraping import ServedExporter
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

Serve = Callable[..., ServedExporter]

PROMETHEUS_SCRAPE_TIMEOUT = 4.0  # prometheus/prometheus.yml
PARTIAL_REQUEST = b"GET /metrics HTTP/1.1\r\nX-Drip: "


def connect(rasp: ServedExporter) -> socket.socket:
    return socket.create_connection(("127.0.0.1", rasp.exporter.port), TIMEOUT_SECONDS)


class Dripper:
    """A client that sends one byte of an endless header at a time, and reconnects when closed."""

    def __init__(self, rasp: ServedExporter) -> None:
        self._rasp = rasp
        self._connect()

    def _connect(self) -> None:
        self._socket = connect(self._rasp)
        self._socket.sendall(PARTIAL_REQUEST)

    def drip(self) -> None:
        try:
            self._socket.sendall(b"x")
        except OSError:
            self._socket.close()
            self._connect()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def dripping(rasp: ServedExporter, count: int) -> Iterator[None]:
    """Keep `count` dripping connections open, for as long as the exporter allows."""
    stop = threading.Event()

    def drip() -> None:
        with suppress(ConnectionError):
            drippers = [Dripper(rasp) for _ in range(count)]
            started.set()
            while not stop.wait(0.1):
                for dripper in drippers:
                    dripper.drip()
            for dripper in drippers:
                dripper.close()

    started = threading.Event()
    thread = threading.Thread(target=drip)
    thread.start()
    assert started.wait(TIMEOUT_SECONDS)
    yield
    stop.set()
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()


def test_scrapes_succeed_during_200_dripping_connections(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    with dripping(rasp, 200):
        for _ in range(20):
            response = requests.get(rasp.url, timeout=PROMETHEUS_SCRAPE_TIMEOUT)
            assert "pirack_a_b 1.0" in response.text
            time.sleep(0.1)  # the drippers continue between scrapes
        assert threading.active_count() < MAX_CONNECTIONS + 30


def test_request_has_a_deadline_although_the_client_keeps_sending(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.5)
    rasp = serve("[a]\nb = echo 1\n")
    with connect(rasp) as client:
        client.sendall(PARTIAL_REQUEST)

        def is_closed() -> bool:
            try:
                client.sendall(b"x")
            except OSError:
                return True
            return False

        wait_until(is_closed)


def test_silent_client_is_disconnected(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.5)
    with connect(serve("[a]\nb = echo 1\n")) as client:
        assert client.recv(1) == b""


def test_late_request_is_not_executed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of an aborted connection resembles the end of the headers."""
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.5)
    rasp = serve("[a]\nb = echo 1\n")
    with connect(rasp) as client:
        client.sendall(PARTIAL_REQUEST)
        assert client.recv(1) == b""
    assert not rasp.exporter._runner._shared_shell.pids()


def test_connection_is_refused_while_all_connections_wait_for_an_alias(serve: Serve) -> None:
    rasp = serve("[a]\nslow = sleep 1000\nslow.timeout = 100\n")

    def scrape(_: int) -> None:
        with suppress(requests.RequestException):
            rasp.metrics(timeout=60)

    with ThreadPoolExecutor(MAX_CONNECTIONS) as pool:
        scrapes = [pool.submit(scrape, number) for number in range(MAX_CONNECTIONS)]
        wait_until(lambda: _count_requests(rasp) == MAX_CONNECTIONS)
        with connect(rasp) as client:
            assert client.recv(1) == b""
        rasp.exporter.close()
        assert all(scrape.result(TIMEOUT_SECONDS) is None for scrape in scrapes)


def _count_requests(rasp: ServedExporter) -> int:
    [server] = rasp.exporter._servers.values()
    return sum(each.has_request for each in [*server.connections._connections.values()])


def test_long_headers_are_rejected(serve: Serve) -> None:
    rasp = serve("[a]\nb = echo 1\n")
    response = requests.get(rasp.url, headers={"X-Long": "x" * 60_000}, timeout=TIMEOUT_SECONDS)
    assert response.status_code == 431


def test_client_that_reads_slowly_is_disconnected(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "_SEND_SECONDS", 0.5)
    monkeypatch.setattr(http_server._Handler, "timeout", None)  # of each packet
    # The response is larger than the buffers of the kernel.
    aliases = "\n".join(f"""b{number} = printf '{{x="%060000d"}} 1' 0""" for number in range(200))
    rasp = serve(f"[a]\n{aliases}\n")
    response = bytearray()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", rasp.exporter.port))
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        client.sendall(b"X-Prometheus-Scrape-Timeout-Seconds: 2\r\n\r\n")
        wait_until(lambda: _count_requests(rasp) == 1)

        def is_disconnected() -> bool:
            response.extend(client.recv(1024))
            return _count_requests(rasp) == 0

        wait_until(is_disconnected)
        response.extend(b"".join(iter(lambda: client.recv(65536), b"")))
    assert response.startswith(b"HTTP/1.0 200 OK")
    assert b"pirack_up" not in response  # the last metric
