"""API route of the checks of the master."""

from collections.abc import Callable

from flask import Blueprint, Response

from controller import API_PREFIX
from controller.doctor.examination import DoctorReport
from controller.doctor.schemas import DoctorResponse
from controller.web.api import json_response
from controller.web.openapi import OpenApiDocument


def blueprint(document: OpenApiDocument, report: Callable[[], DoctorReport]) -> Blueprint:
    """Return the route. Add it to `document`. `report` is called for each request."""
    api = Blueprint("doctor", __name__, url_prefix=API_PREFIX)

    @api.get("/master/doctor")
    @document.read_endpoint("master", DoctorResponse)
    def get_doctor() -> Response:
        """Check the master and return the findings. The checks change nothing."""
        return json_response(DoctorResponse.of(report()))

    return api
