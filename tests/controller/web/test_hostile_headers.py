"""Requests with arbitrary headers never cause an error of the server."""

import http.client
import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controller.auth.access_control import SESSION_COOKIE, AccessControl
from controller.auth.csrf import csrf_token, is_same_site
from controller.auth.roles import Role
from tests.controller.http_client import add_users, create_session
from tests.controller.running_server import running_server
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process

# Transfer-Encoding is not included: RFC 9112 requires status 501 for unknown encodings.
NAMES = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Origin",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "User-Agent",
    "X-CSRF-Token",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
]
FORM_TYPE = "application/x-www-form-urlencoded"
FRAGMENTS = [
    *("http://[", "[", "]", "[::1", "[v1.x]", "//", "://", ":", ":99999", "@", ",", ";", "="),
    *("*/*", "Basic ", "Basic !", "Bearer ", "Digest ", "Bearer é", 'W/"', '"', "bytes=", "0-"),
    *(
        "-1",
        "-",
        "99999999999999999999",
        "\x00",
        "\x7f",
        "é",
        "\xff",
        "%",
        "%zz",
        "%00",
        "..",
        "\t",
    ),
    *("localhost", "127.0.0.1", f"{SESSION_COOKIE}=", '"\\777"', "application/json", "utf-7"),
    *("; charset=", "idna", "multipart/form-data; boundary=", FORM_TYPE, "gzip;q=", "nan", "1e999"),
    *("https", "https, http", "xn--", "Mon, 99 Foo 99999 99:99:99 GMT", "/pirack", "same-origin"),
]
VALUES = st.lists(
    st.sampled_from(FRAGMENTS) | st.text(st.characters(max_codepoint=255), max_size=8), max_size=5
).map("".join)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), min_size=1, max_size=4)
REQUESTS = [
    ("GET", "/", ""),
    ("GET", "/orders", ""),
    ("GET", "/static/icon.svg", ""),
    ("GET", "/api/v1.0/orders?q=%C3%A9&limit=1", ""),
    ("POST", "/api/v1.0/rasps/execute", '{"id": 1, "action": "ping", "dry_run": true}'),
    ("POST", "/login", "name=x&password=x"),
    ("POST", "/account/password", "current_password=x"),
]


@pytest.fixture
def proxied_url(app: Flask) -> Iterator[str]:
    """URL of a server that accepts the headers of a proxy."""
    with running_server(app, proxy="127.0.0.1") as url:
        yield url


def send(
    url: str, request: tuple[str, str, str], headers: list[tuple[str, str]]
) -> tuple[int, bytes]:
    """Send a request with exactly these headers. Return the status and the body."""
    method, path, body = request
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    connection.connect()
    connection.sock.sendall("\r\n".join([*lines, "", body]).encode("latin-1"))
    connection.sock.shutdown(1)  # the end of a body that is shorter than its Content-Length
    response = http.client.HTTPResponse(connection.sock, method=method)
    try:
        response.begin()
        return response.status, response.read()
    except (http.client.BadStatusLine, ConnectionResetError):
        return 0, b""  # the server waits for the rest of the body, or closed the connection
    finally:
        connection.close()


@pytest.mark.parametrize(
    "examples", [100, pytest.param(3000, marks=[pytest.mark.verify, pytest.mark.timeout(1800)])]
)
def test_no_header_causes_an_error_of_the_server(
    proxied_url: str, access: AccessControl, caplog: pytest.LogCaptureFixture, examples: int
) -> None:
    add_users(access)
    token = access.tokens.add("fuzz", Role.OPERATOR)
    secret = create_session(access, "otto")
    credentials = [
        [],
        [("Authorization", f"Bearer {token}")],
        [("Cookie", f"{SESSION_COOKIE}={secret}"), ("X-CSRF-Token", csrf_token(secret))],
    ]
    statuses = set()

    @settings(
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.sampled_from(REQUESTS), st.sampled_from(credentials), HEADERS)
    @example(REQUESTS[4], credentials[2], [("Origin", "http://[")])
    @example(REQUESTS[0], [], [("Host", "[")])
    @example(REQUESTS[0], [], [("X-Forwarded-For", ":80"), ("X-Forwarded-Proto", "https, http")])
    def check(
        request: tuple[str, str, str],
        credential: list[tuple[str, str]],
        headers: list[tuple[str, str]],
    ) -> None:
        given_names = {name for name, _ in headers}
        defaults = [
            ("Host", "localhost"),
            ("Content-Length", str(len(request[2]))),
            ("Content-Type", "application/json" if "{" in request[2] else FORM_TYPE),
            *credential,
        ]
        sent = [*((name, text) for name, text in defaults if name not in given_names), *headers]
        sent = [(name, text.translate(str.maketrans("", "", "\r\n"))) for name, text in sent]
        status, body = send(proxied_url, request, sent)
        assert status < 500, (sent, body)
        statuses.add(status)

    with caplog.at_level(logging.ERROR):
        check()
    assert caplog.messages == []
    assert {200, 400} <= statuses


@pytest.mark.parametrize(
    ("fetch_site", "origin", "host", "is_same"),
    [
        (None, None, "rack:8443", True),
        (None, "https://rack:8443", "rack:8443", True),
        (None, "https://RACK", "rack:443", True),
        (None, "http://rack", "rack:80", True),
        (None, "https://rack:8443", "rack", False),
        (None, "https://evil.example", "rack", False),
        (None, "http://[", "rack", False),
        (None, "null", "", False),
        (None, "", "", False),
        ("same-origin", "https://rack:8443", "rack", True),
        ("none", None, "rack", True),
        ("same-site", "https://rack", "rack", False),
        ("cross-site", None, "rack", False),
        ("", None, "rack", False),
    ],
)
def test_request_of_a_page_on_another_site_is_recognized(
    fetch_site: str | None, origin: str | None, host: str, is_same: bool
) -> None:
    assert is_same_site(fetch_site, origin, host) is is_same
