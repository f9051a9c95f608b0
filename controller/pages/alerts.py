"""The alerts that fire, from Alertmanager."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.alerts.alerts import Firing
from controller.conditional import page


def blueprint(alerts: Callable[[], Firing]) -> Blueprint:
    """Return `/alerts`; `alerts` is asked at each request."""
    pages = Blueprint("alert", __name__)

    @pages.get("/alerts")
    def show() -> Response:
        return page("alerts.html", firing=alerts())

    return pages
