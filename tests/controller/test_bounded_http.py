"""Requests of the controller to hostile servers."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread

import pytest

from controller.alerts.alertmanager import Alertmanager, AlertmanagerUnavailableError
from controller.master.services import ServiceDownError, grafana_service, metrics_service
from controller.orders.blackbox_client import BlackboxClient, BlackboxUnavailableError
from controller.orders.exporter_client import AliasReadError, ExporterClient
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from rack.bounded_http import InvalidResponseError, get
from tests.controller.state.test_prometheus import http_server_returning
from tests.helpers.waiting import TIMEOUT_SECONDS
from virtual_rack.hostile_exporter import Attack, HostileExporter

LIMIT = 4 * 2**20


@contextmanager
def hostile_server(attack: Attack, redirect_url: str = "http://127.0.0.1:1/") -> Iterator[str]:
    """Yield the address of a server that always responds with the same attack."""
    server = HostileExporter("127.0.0.1", 0, [attack], redirect_url)
    server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.close()


def test_response_that_arrives_byte_by_byte_ends_at_the_deadline() -> None:
    start = time.monotonic()
    with hostile_server(Attack.SLOW_DRIP) as address, pytest.raises(TimeoutError):
        get(f"http://{address}/metrics", timeout=1, max_bytes=LIMIT)
    assert time.monotonic() - start >= 1


def test_endless_response_is_rejected() -> None:
    with hostile_server(Attack.ENDLESS_BODY) as address, pytest.raises(InvalidResponseError):
        get(f"http://{address}/metrics", timeout=60, max_bytes=LIMIT)


def test_compressed_response_is_not_decompressed() -> None:
    with hostile_server(Attack.COMPRESSION_BOMB) as address:
        response = get(f"http://{address}/metrics", timeout=60, max_bytes=LIMIT)
    assert response.body.startswith(b"\x1f\x8b")


def test_redirect_is_not_followed() -> None:
    with hostile_server(Attack.REDIRECT) as address:
        response = get(f"http://{address}/metrics", timeout=60, max_bytes=LIMIT)
    assert (response.status, response.is_ok) == (302, False)


@pytest.mark.process
def test_https_server_has_the_same_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def drip(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=drip, args=(listener,), daemon=True)
        server.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(TimeoutError):
            get(url, timeout=1, max_bytes=LIMIT)
        server.join(TIMEOUT_SECONDS)


def test_response_above_the_maximum_size_is_rejected() -> None:
    with http_server_returning(200, b"x" * 100) as url:
        assert get(url, timeout=60, max_bytes=100).is_ok
        with pytest.raises(InvalidResponseError, match="exceeds 99 bytes"):
            get(url, timeout=60, max_bytes=99)


CLIENTS: dict[str, tuple[Callable[[str], object], type[Exception]]] = {
    "exporter": (
        lambda address: ExporterClient(int(address.rpartition(":")[2])).read(
            IPv4Address("127.0.0.1"), "cpu_load1"
        ),
        AliasReadError,
    ),
    "blackbox_exporter": (
        lambda address: BlackboxClient(address, "icmp", {}).probe(IPv4Address("127.0.0.1")),
        BlackboxUnavailableError,
    ),
    "Prometheus": (
        lambda address: Prometheus(f"http://{address}").query("up"),
        PrometheusUnavailableError,
    ),
    "Alertmanager": (
        lambda address: Alertmanager(address, {}).alerts(),
        AlertmanagerUnavailableError,
    ),
    "metrics of a service": (
        lambda address: metrics_service("alertmanager", address, {}).fetch_version(),
        ServiceDownError,
    ),
    "Grafana": (
        lambda address: grafana_service(f"http://{address}").fetch_version(),
        ServiceDownError,
    ),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_client_sends_no_request_to_the_destination_of_a_redirect(name: str) -> None:
    read, error = CLIENTS[name]
    requested: list[str] = []
    with (
        http_server_returning(200, b"", requested=requested) as destination,
        hostile_server(Attack.REDIRECT, destination) as address,
        pytest.raises(error),
    ):
        read(address)
    assert requested == []


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("attack", [Attack.SLOW_DRIP, Attack.ENDLESS_BODY])
def test_client_reports_a_hostile_response(name: str, attack: Attack) -> None:
    read, error = CLIENTS[name]
    with hostile_server(attack) as address, pytest.raises(error):
        read(address)
