"""Tests of the headers of a reverse proxy."""

import pytest

from controller.web.reverse_proxy import (
    ProxyHeaderError,
    forwarded_environ,
    last_forwarded_address,
)

HEADERS = {"X-Forwarded-For": "10.23.0.9", "X-Forwarded-Proto": "https"}


def test_forwarded_headers_replace_address_scheme_and_host() -> None:
    assert forwarded_environ(HEADERS | {"X-Forwarded-Host": "rack.example.org:8443"}, "/") == {
        "REMOTE_ADDR": "10.23.0.9",
        "REMOTE_HOST": "10.23.0.9",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "rack.example.org:8443",
    }


@pytest.mark.parametrize(
    ("path", "inner_path"),
    [("/rasps/10", None), ("/pirack/rasps/10", "/rasps/10"), ("/pirack", "/"), ("/pirackx", None)],
)
def test_prefix_is_removed_from_the_path_unless_the_proxy_removed_it(
    path: str, inner_path: str | None
) -> None:
    environ = forwarded_environ(HEADERS | {"X-Forwarded-Prefix": "/pirack/"}, path)
    assert environ["SCRIPT_NAME"] == "/pirack"
    assert environ.get("PATH_INFO") == inner_path


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("10.23.0.9", "10.23.0.9"),
        ("192.0.2.1, 10.23.0.9", "10.23.0.9"),
        ("10.23.0.9:51234", "10.23.0.9"),
        ("2001:db8::1", "2001:db8::1"),
        ('"[2001:db8::1]:51234"', "2001:db8::1"),
        ("", ""),
        (",", ""),
        (":80", ""),
        ("unknown", ""),
        ("[", ""),
    ],
)
def test_last_forwarded_address_is_that_of_the_client(header: str, address: str) -> None:
    assert last_forwarded_address(header) == address


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", None),
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-Proto", None),
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "rack.example.org, proxy"),
        ("X-Forwarded-Host", ""),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "pirack"),
        ("X-Forwarded-Prefix", "/../x"),
    ],
)
def test_missing_or_invalid_header_is_named(name: str, value: str | None) -> None:
    headers = {key: text for key, text in HEADERS.items() if key != name}
    if value is not None:
        headers[name] = value
    with pytest.raises(ProxyHeaderError, match=rf"^the proxy sent (no )?{name}: "):
        forwarded_environ(headers, "/")
