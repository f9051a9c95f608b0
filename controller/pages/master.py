"""The master and its services."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.web.responses import render_page
from controller.web.schemas import MasterResponse


def blueprint(master: Callable[[], MasterResponse]) -> Blueprint:
    """Return `/master`; `master` is asked at each request."""
    pages = Blueprint("master", __name__)

    @pages.get("/master")
    def show() -> Response:
        return render_page("master.html", master=master())

    return pages
