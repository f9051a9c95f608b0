"""Issues and active alerts."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.state.issues import AlertList
from controller.web.responses import render_page


def blueprint(read_alerts: Callable[[], AlertList]) -> Blueprint:
    """Return the view of `/alerts`."""
    pages = Blueprint("alert_pages", __name__)

    @pages.get("/alerts")
    def show() -> Response:
        return render_page("alerts.html", alert_list=read_alerts())

    return pages
