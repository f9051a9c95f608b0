"""Version, licenses and the API documentation."""

from flask import Blueprint, Response

from controller.web.responses import render_page

_THIRD_PARTY = [
    ("Bootstrap", "Styles", "MIT"),
    ("Idiomorph", "Page updates without a reload", "0BSD"),
    ("Swagger UI", "API documentation", "Apache-2.0"),
]


def blueprint() -> Blueprint:
    """Return the views of `/about` and `/api/docs`."""
    pages = Blueprint("about", __name__)

    @pages.get("/about")
    def show() -> Response:
        return render_page("about.html", third_party=_THIRD_PARTY)

    @pages.get("/api/docs")
    def api_docs() -> Response:
        return render_page("api.html")

    return pages
