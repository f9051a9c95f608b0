"""The alerts that fire, from Alertmanager."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.alerts.firing import AlertList
from controller.web.responses import render_page


def blueprint(alerts: Callable[[], AlertList]) -> Blueprint:
    """Return `/alerts`; `alerts` is asked at each request."""
    pages = Blueprint("alert", __name__)

    @pages.get("/alerts")
    def show() -> Response:
        return render_page("alerts.html", firing=alerts())

    return pages
