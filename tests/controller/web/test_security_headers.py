"""Headers that limit what a browser does with a response."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("path", ["/", "/login", "/no-such-page", "/api/v1.0/rasps", "/healthz"])
def test_every_response_limits_its_content_and_its_embedding(
    client: FlaskClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    for directive in ("default-src 'self'", "object-src 'none'", "frame-ancestors 'self'"):
        assert directive in policy
    assert "unsafe-inline" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
