"""The web app manifest and its icons."""

import struct
from typing import Any
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from rack.settings import Anonymous

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MANIFEST = "/manifest.webmanifest"


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture
def manifest(client: FlaskClient) -> dict[str, Any]:
    with client.get(MANIFEST) as response:
        content: dict[str, Any] = response.get_json()
    return content


def test_pages_link_the_manifest_and_have_the_color_of_their_header(client: FlaskClient) -> None:
    page = client.get("/login").text
    assert f'<link rel="manifest" href="{MANIFEST}">' in page
    for scheme in ("light", "dark"):
        assert f'media="(prefers-color-scheme: {scheme})"' in page


def test_page_of_a_theme_has_one_color(client: FlaskClient) -> None:
    client.set_cookie("pirack_theme", "dark")
    page = client.get("/login").text
    assert page.count('<meta name="theme-color"') == 1
    assert '<meta name="theme-color" content="#2b3035">' in page


def test_manifest_is_served_like_all_static_files(client: FlaskClient) -> None:
    with client.get(MANIFEST) as response, client.get("/static/icon.svg") as icon:
        assert response.content_type == "application/manifest+json"
        for header in ("Cache-Control", "Vary", "Content-Security-Policy"):
            assert response.headers.get(header) == icon.headers.get(header), header
        etag = response.headers["ETag"]
    with client.get(MANIFEST, headers={"If-None-Match": etag}) as response:
        assert response.status_code == 304


def test_manifest_starts_at_the_root_of_the_pages(manifest: dict[str, Any]) -> None:
    for path in ("start_url", "scope", "id"):
        assert urljoin(f"/pirack{MANIFEST}", manifest[path]) == "/pirack/"


def test_icons_have_the_sizes_in_the_manifest(
    client: FlaskClient, manifest: dict[str, Any]
) -> None:
    sizes: dict[str, set[str]] = {"any": set(), "maskable": set()}
    for icon in manifest["icons"]:
        sizes[icon.get("purpose", "any")].add(icon["sizes"])
        with client.get(urljoin(MANIFEST, icon["src"])) as response:
            assert response.content_type.startswith(icon["type"])
            if icon["type"] == "image/png":
                assert response.data.startswith(PNG_SIGNATURE)
                width, height = struct.unpack(">II", response.data[16:24])
                assert icon["sizes"] == f"{width}x{height}"
    assert sizes == {"any": {"any", "192x192", "512x512"}, "maskable": {"192x192", "512x512"}}
