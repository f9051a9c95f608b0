"""Tests of the allowed host names."""

import pytest
from flask.testing import FlaskClient

from controller.web.allowed_hosts import is_allowed_host

NAMES = {"localhost", "master", "master.local", "rack.example.org"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8080",
        "LOCALHOST",
        "master.local:8080",
        "master.",
        "rack.example.org",
        "127.0.0.1:8080",
        "10.23.0.1",
        "[::1]:8080",
    ],
)
def test_addresses_and_own_names_are_allowed(host: str) -> None:
    assert is_allowed_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:8080",
        "x.rack.example.org",
        "127.0.0.1.evil.example",
        "2130706433",
        "[evil]",
        "evil.example@127.0.0.1.nip.io",
    ],
)
def test_names_of_other_sites_are_not_allowed(host: str) -> None:
    assert not is_allowed_host(host, NAMES)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1.0/rasps", "/metrics", "/login", "/static/auto_refresh.js"]
)
def test_request_with_an_unknown_host_name_is_rejected(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert "access.hosts" in response.text


def test_api_has_no_cors_headers(client: FlaskClient) -> None:
    response = client.get("/api/v1.0/rasps", headers={"Origin": "http://evil.example"})
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
    preflight = client.options(
        "/api/v1.0/rasps",
        headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"},
    )
    assert not [name for name, _ in preflight.headers if name.startswith("Access-Control")]
