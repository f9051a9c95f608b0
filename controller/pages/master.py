"""The master and its services."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.conditional import page
from controller.schemas import MasterAnswer


def blueprint(master: Callable[[], MasterAnswer]) -> Blueprint:
    """Return `/master`; `master` is asked at each request."""
    pages = Blueprint("master", __name__)

    @pages.get("/master")
    def show() -> Response:
        return page("master.html", master=master())

    return pages
