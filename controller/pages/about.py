"""What PiRack is, in which version, and where to read more."""

from flask import Blueprint, Response

from controller.web.responses import render_page

_THIRD_PARTY = [
    ("Bootstrap", "looks", "MIT"),
    ("Idiomorph", "changes what differs, and leaves the rest", "0BSD"),
    ("Swagger UI", "shows the API", "Apache-2.0"),
]


def blueprint() -> Blueprint:
    """Return `/about` and the page of the API."""
    pages = Blueprint("about", __name__)

    @pages.get("/about")
    def show() -> Response:
        return render_page("about.html", parts=_THIRD_PARTY)

    @pages.get("/api/docs")
    def api() -> Response:
        return render_page("api.html")

    return pages
