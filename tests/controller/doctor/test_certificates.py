"""Checks of certificates, with a real HTTPS server."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.doctor.certificates import check_files, check_proxy, read_proxy_certificate
from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from tests.helpers.waiting import free_port

NOW = datetime.now(UTC)


def write_certificate(path: Path, *names: str, days: int, begins_in: int = -100) -> None:
    """Write a self-signed certificate for these names and its key to a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rack")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=begins_in))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if names:
        extension = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


@contextmanager
def https_server(certificate: Path) -> Iterator[int]:
    """Run an HTTPS server until the end of the block. Return its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", free_port()), SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def findings_of_proxy(certificate: Path, name: str) -> list[Finding]:
    with https_server(certificate) as port:
        return check_proxy(read_proxy_certificate("127.0.0.1", name, port=port), name)


@pytest.mark.parametrize(
    ("days", "begins_in", "severity", "problem"),
    [
        (-1, -100, FindingSeverity.ERROR, "expired on"),
        (5, -100, FindingSeverity.WARNING, "expires on"),
        (90, 2, FindingSeverity.ERROR, "is only valid from"),
    ],
)
def test_expired_certificate_of_the_proxy_is_found_until_it_is_renewed(
    tmp_path: Path, days: int, begins_in: int, severity: FindingSeverity, problem: str
) -> None:
    file = tmp_path / "rack.pem"
    write_certificate(file, "rack.example.org", days=days, begins_in=begins_in)
    [finding] = findings_of_proxy(file, "rack.example.org")
    assert finding.severity is severity
    assert finding.problem.startswith(f"the certificate of https://rack.example.org {problem}")
    assert "renew the certificate" in finding.fix
    write_certificate(file, "rack.example.org", days=90)
    assert findings_of_proxy(file, "rack.example.org") == []


@pytest.mark.parametrize(
    ("names", "is_right"),
    [
        (("rack.example.org",), True),
        (("other.example.org", "RACK.example.org"), True),
        (("*.example.org",), True),
        (("*.org",), False),
        (("example.org",), False),
        ((), False),
    ],
)
def test_certificate_for_another_name_is_found(
    tmp_path: Path, names: tuple[str, ...], is_right: bool
) -> None:
    write_certificate(tmp_path / "rack.pem", *names, days=90)
    findings = findings_of_proxy(tmp_path / "rack.pem", "rack.example.org")
    assert [finding.severity for finding in findings] == ([] if is_right else ["error"])
    if not is_right:
        assert "a certificate for rack.example.org" in findings[0].fix


def test_proxy_without_certificate_is_not_checked() -> None:
    with pytest.raises(NotCheckedError, match="presents no certificate for rack"):
        read_proxy_certificate("127.0.0.1", "rack", port=free_port())


def test_expired_file_of_prometheus_is_found_until_it_is_replaced(tmp_path: Path) -> None:
    configuration = tmp_path / "prometheus.yml"
    assert check_files(configuration) == []
    configuration.write_text(
        "    tls_config:\n      ca_file: rasps.pem\n      cert_file: 'own.pem'\n"
    )
    write_certificate(tmp_path / "rasps.pem", days=-3)
    with pytest.raises(NotCheckedError, match=r"own\.pem: No such file"):
        check_files(configuration)
    write_certificate(tmp_path / "own.pem", days=90)
    [finding] = check_files(configuration)
    assert finding.problem.startswith(f"a certificate in {tmp_path}/rasps.pem expired on")
    assert "`sudo systemctl reload prometheus`" in finding.fix
    write_certificate(tmp_path / "rasps.pem", days=90)
    assert check_files(configuration) == []
    (tmp_path / "own.pem").write_text("text")
    with pytest.raises(NotCheckedError, match="no valid certificate"):
        check_files(configuration)
