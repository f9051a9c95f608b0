"""Tests of conditional and compressed responses."""

import gzip

import pytest
from flask.testing import FlaskClient

# The response to such a request contains no history of the rack, which changes with the time.
UPDATE = {"Prefer": "return=minimal"}
GZIP = {"Accept-Encoding": "gzip, br", **UPDATE}


def test_page_is_compressed_if_the_client_accepts_gzip(client: FlaskClient) -> None:
    plain = client.get("/", headers=UPDATE)
    compressed = client.get("/", headers=GZIP)
    assert gzip.decompress(compressed.data) == plain.data
    assert len(compressed.data) < len(plain.data) / 5
    assert compressed.headers["Content-Length"] == str(len(compressed.data))
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("path", ["/", "/api/v1.0/rasps"])
def test_unchanged_response_is_304_with_and_without_compression(
    client: FlaskClient, path: str
) -> None:
    etag = client.get(path, headers=GZIP).headers["ETag"]
    for headers in (UPDATE, GZIP):
        again = client.get(path, headers={"If-None-Match": etag, **headers})
        assert again.status_code == 304
        assert again.data == b""


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_cross_site_request_is_not_compressed(client: FlaskClient, site: str) -> None:
    response = client.get("/", headers={**GZIP, "Sec-Fetch-Site": site})
    assert "Content-Encoding" not in response.headers


def test_short_response_is_not_compressed(client: FlaskClient) -> None:
    response = client.get("/layout.css", headers=GZIP)
    assert "Content-Encoding" not in response.headers
