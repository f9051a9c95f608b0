"""The master and its services."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller.doctor.examination import DoctorReport
from controller.master.info import MasterState
from controller.web.responses import render_page


def blueprint(
    read_master: Callable[[], MasterState], latest_report: Callable[[], DoctorReport | None]
) -> Blueprint:
    """Return the view of `/master`, which does not wait for the checks of the master."""
    pages = Blueprint("master", __name__)

    @pages.get("/master")
    def show() -> Response:
        return render_page("master.html", master=read_master(), doctor=latest_report())

    return pages
