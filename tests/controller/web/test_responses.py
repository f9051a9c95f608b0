"""Answers that are short: not sent again, and compressed."""

import gzip

import pytest
from flask.testing import FlaskClient

GZIP = {"Accept-Encoding": "gzip, br"}


def test_a_page_is_compressed_for_who_understands_it(client: FlaskClient) -> None:
    plain = client.get("/")
    small = client.get("/", headers=GZIP)
    assert gzip.decompress(small.data) == plain.data
    assert len(small.data) < len(plain.data) / 5
    assert small.headers["Content-Length"] == str(len(small.data))
    assert "Accept-Encoding" in small.headers["Vary"]
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("path", ["/", "/api/v1.0/rasps"])
def test_what_one_has_is_not_sent_again_compressed_or_not(client: FlaskClient, path: str) -> None:
    etag = client.get(path, headers=GZIP).headers["ETag"]
    for headers in ({}, GZIP):
        again = client.get(path, headers={"If-None-Match": etag, **headers})
        assert again.status_code == 304
        assert again.data == b""


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_has_led_to_is_not_compressed(client: FlaskClient, site: str) -> None:
    answer = client.get("/", headers={**GZIP, "Sec-Fetch-Site": site})
    assert "Content-Encoding" not in answer.headers


def test_an_answer_of_a_few_words_is_sent_as_it_is(client: FlaskClient) -> None:
    answer = client.get("/layout.css", headers=GZIP)
    assert "Content-Encoding" not in answer.headers
