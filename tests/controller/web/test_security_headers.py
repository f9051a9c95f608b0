"""Headers that limit what a browser does with a response."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize(
    "path", ["/", "/login", "/no-such-page", "/api/v1.0/rasps", "/healthz", "/static/api.js"]
)
def test_every_response_limits_its_content_and_its_embedding(
    client: FlaskClient, path: str
) -> None:
    with client.get(path) as response:
        headers = response.headers
    policy = headers["Content-Security-Policy"]
    for directive in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'self'"):
        assert directive in policy
    assert "unsafe" not in policy
    assert headers["Content-Type"].endswith(("json", "; charset=utf-8"))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
