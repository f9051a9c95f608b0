"""The API's routes for alerts: those who look, and Alertmanager, which tells."""

from http import HTTPStatus

from flask import Blueprint, Response

from controller.alerts.notification import Notification
from controller.alerts.schemas import AcceptedResponse, AlertsResponse
from controller.alerts.service import AlertService
from controller.auth.access_control import requires_secret
from controller.web.api import JSON_TYPE, json_response
from controller.web.openapi import API_PREFIX, OpenApiDocument


def blueprint(document: OpenApiDocument, alert_service: AlertService) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("alerts", __name__, url_prefix=API_PREFIX)

    @api.get("/alerts")
    @document.read_endpoint("alerts", AlertsResponse)
    def list_alerts() -> Response:
        """List the alerts that fire, the worst first."""
        return json_response(AlertsResponse.of(alert_service.firing.current()))

    @api.post("/alerts")
    @requires_secret(alert_service.secret)
    @document.write_endpoint("alerts", {HTTPStatus.OK: AcceptedResponse}, body_model=Notification)
    def take_alerts(notification: Notification) -> Response:
        """Take what Alertmanager tells by its webhook. The token is the secret that both share."""
        alert_service.webhook.enqueue(notification)
        answer = AcceptedResponse(alerts=len(notification.alerts))
        return Response(answer.model_dump_json(), content_type=JSON_TYPE)

    return api
