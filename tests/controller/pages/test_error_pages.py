"""Tests of the error pages: plain sentences and a way back, and problem details in the API."""

import re

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from rack.errors import DatabaseError


def text_of(page: str) -> str:
    """Return the text of the content of a page."""
    [main] = re.findall(r"<main[^>]*>(.*)</main>", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", main).split())


@pytest.fixture
def failing_client(app: Flask) -> FlaskClient:
    """A client of an application with a page that raises an unexpected error."""

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("a secret detail")

    return app.test_client()


def test_unknown_address_is_explained_in_the_frame_of_the_pages(client: FlaskClient) -> None:
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert text_of(response.text) == (
        "Not found nothing exists at this address. Check the address for typing errors."
        " Error 404 Go to the rack"
    )
    assert 'aria-label="Main"' in response.text


def test_unknown_rasp_is_explained(client: FlaskClient) -> None:
    assert "no rasp 99: this rack has rasps 1 to 48." in text_of(client.get("/rasps/99").text)


def test_path_at_the_beginning_of_an_error_is_shown_unchanged(
    app: Flask, client: FlaskClient
) -> None:
    @app.get("/failing")
    def fail() -> str:
        raise DatabaseError(request.args["error"])

    def page(error: str) -> str:
        return client.get("/failing", query_string={"error": error}).text

    assert "<p>/var/lib/pirack.db: file is missing.</p>" in page(
        "/var/lib/pirack.db: file is missing"
    )
    assert '<p class="sentence">unknown: no reply.</p>' in page("unknown: no reply")


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "sentence"),
    [
        ("PUT", "/", {}, 405, "this address does not accept requests of this kind"),
        ("POST", "/login", {"data": {"name": "x" * 100_000}}, 413, "more data than PiRack accepts"),
        ("GET", "/broken", {}, 500, "PiRack failed to process this request."),
    ],
)
def test_error_is_explained_in_a_plain_sentence(
    failing_client: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    options: dict[str, object],
    status: int,
    sentence: str,
) -> None:
    response = failing_client.open(path, method=method, **options)  # type: ignore[arg-type]
    text = text_of(response.text)
    assert response.status_code == status, text
    assert sentence in text
    assert "URL" not in text
    assert "secret" not in text
    assert ("a secret detail" in caplog.text) == (status == 500)


@pytest.mark.parametrize(
    ("referrer", "link"),
    [
        ("http://localhost/rasps?q=03", '<a class="btn btn-primary" href="/rasps?q=03">Back</a>'),
        ("http://localhost/no-such-page", ""),
        ("http://evil.example/rasps", ""),
        ("http://localhost//evil.example/", ""),
        ("http://localhost/\\evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
    ],
)
def test_error_page_links_back_to_the_previous_page_of_this_site(
    client: FlaskClient, referrer: str, link: str
) -> None:
    page = client.get("/no-such-page", headers={"Referer": referrer}).text
    assert (link in page) if link else ("Back" not in page)
    assert "evil" not in page


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [("/api/v1.0/no-such-path", 404, "Not Found"), ("/api/v1.0/rasps/99", 404, "Not Found")],
)
def test_api_returns_problem_details(
    client: FlaskClient, path: str, status: int, title: str
) -> None:
    response = client.get(path)
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert (response.json["status"], response.json["title"]) == (status, title)
    assert "URL" not in response.json["detail"]
