"""Check the certificates of the HTTPS proxy and of scrapes."""

import re
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError

NAME = "certificates"

_PORT = 443
_TIMEOUT = 5.0
_SOON = timedelta(days=14)
_FILE = re.compile(r"^\s*-?\s*(?:ca|cert)_file:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


def read_proxy_certificate(
    proxy: str, name: str, *, port: int = _PORT, timeout: float = _TIMEOUT
) -> x509.Certificate:
    """Return the certificate that an HTTPS proxy presents for a host name.

    Raises:
        NotCheckedError: If the proxy presents none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is only read
    try:
        with (
            socket.create_connection((proxy, port), timeout) as connection,
            context.wrap_socket(connection, server_hostname=name) as encrypted,
        ):
            return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError) as error:
        raise NotCheckedError(
            f"the proxy at {proxy}:{port} presents no certificate for {name}: {error}",
            "start the proxy (docs/how-to/reverse-proxy.md). If it uses another port, open"
            f" https://{name} in a browser and look at its certificate",
        ) from error


def check_proxy(
    certificate: x509.Certificate, name: str, *, now: datetime | None = None
) -> list[Finding]:
    """Return what is wrong with the certificate of the proxy for a host name."""
    findings = _check_dates(
        certificate,
        f"the certificate of https://{name}",
        "browsers refuse to open the pages",
        "renew the certificate, for example with `sudo certbot renew`, and reload the proxy",
        now or datetime.now(UTC),
    )
    names = _names(certificate)
    if not any(_matches(pattern, name) for pattern in names):
        findings.append(
            Finding(
                NAME,
                FindingSeverity.ERROR,
                problem=f"the certificate of https://{name} is for {', '.join(names) or 'no name'}",
                reason="browsers refuse to open the pages",
                fix=f"configure the proxy with a certificate for {name}, or correct access.hosts in"
                " rack.toml",
            )
        )
    return findings


def check_files(prometheus_yml: Path, *, now: datetime | None = None) -> list[Finding]:
    """Return what is wrong with the certificate files that prometheus.yml names.

    Raises:
        NotCheckedError: If a file cannot be read or contains no certificate.
    """
    findings: list[Finding] = []
    text = prometheus_yml.read_text(encoding="utf-8") if prometheus_yml.exists() else ""
    for name in dict.fromkeys(_FILE.findall(text)):
        path = prometheus_yml.parent / name
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise NotCheckedError(
                f"{path}: {getattr(error, 'strerror', None) or 'no valid certificate'}",
                f"correct the name in {prometheus_yml}, or make {path} readable for pirack",
            ) from error
        for certificate in certificates:
            findings += _check_dates(
                certificate,
                f"a certificate in {path}",
                "Prometheus cannot scrape the rasps, so that they are down",
                f"replace {path}, then run `sudo systemctl reload prometheus`",
                now or datetime.now(UTC),
            )
    return findings


def _check_dates(
    certificate: x509.Certificate, name: str, reason: str, fix: str, now: datetime
) -> list[Finding]:
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now >= end:
        severity, problem = FindingSeverity.ERROR, f"{name} expired on {end:%Y-%m-%d}"
    elif now < begin:
        severity, problem = FindingSeverity.ERROR, f"{name} is only valid from {begin:%Y-%m-%d} on"
    elif end - now < _SOON:
        severity, problem = FindingSeverity.WARNING, f"{name} expires on {end:%Y-%m-%d}"
    else:
        return []
    return [Finding(NAME, severity, problem, reason, fix)]


def _names(certificate: x509.Certificate) -> Sequence[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _matches(pattern: str, name: str) -> bool:
    """Return whether the name in a certificate covers a host name (RFC 6125, 6.4.3)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
