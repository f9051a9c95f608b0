"""API routes of alerts and of Alertmanager's webhook."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, request

from controller import API_PREFIX
from controller.alerts.schemas import AcceptedResponse, AlertsResponse, Notification
from controller.alerts.service import AlertService
from controller.auth.access_control import requires_secret
from controller.state.issues import AlertList
from controller.web.api import json_response, write_response
from controller.web.openapi import OpenApiDocument
from controller.web.schemas import RackQuery
from controller.web.server import MAX_REQUEST_BYTES


def blueprint(
    document: OpenApiDocument,
    alert_service: AlertService,
    past_alerts: Callable[[float], AlertList],
) -> Blueprint:
    """Return the routes. Add them to `document`."""
    api = Blueprint("alerts", __name__, url_prefix=API_PREFIX)

    @api.before_request
    def allow_large_notifications() -> None:
        """Raise the limit of the body, which is read after the secret was checked."""
        request.max_content_length = MAX_REQUEST_BYTES

    @api.get("/alerts")
    @document.read_endpoint("alerts", AlertsResponse, query_model=RackQuery)
    def list_alerts(query: RackQuery) -> Response:
        """List the firing alerts, most severe first."""
        at = query.at
        alert_list = alert_service.firing.current() if at is None else past_alerts(at)
        return json_response(AlertsResponse.of(alert_list))

    @api.post("/alerts")
    @requires_secret(alert_service.secret)
    @document.write_endpoint("alerts", {HTTPStatus.OK: AcceptedResponse}, body_model=Notification)
    def receive_alerts(notification: Notification) -> Response:
        """Receive a notification of Alertmanager. The bearer token is the shared secret."""
        alert_service.webhook.enqueue(notification.alerts)
        return write_response(AcceptedResponse(alerts=len(notification.alerts)))

    return api
