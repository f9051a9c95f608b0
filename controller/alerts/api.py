"""The API's routes for alerts: those who look, and Alertmanager, which tells."""

from http import HTTPStatus

from flask import Blueprint, Response

from controller.access import opened_by
from controller.alerts.desk import AlertDesk
from controller.alerts.notification import Notification
from controller.alerts.schemas import AlertsAnswer, TakenAnswer
from controller.api import JSON, as_json
from controller.openapi import PREFIX, Document


def blueprint(document: Document, desk: AlertDesk) -> Blueprint:
    """Return the routes, declared in `document`."""
    api = Blueprint("alerts", __name__, url_prefix=PREFIX)

    @api.get("/alerts")
    @document.operation("alerts", AlertsAnswer)
    def list_alerts() -> Response:
        """List the alerts that fire, the worst first."""
        return as_json(AlertsAnswer.of(desk.alerts.now()))

    @api.post("/alerts")
    @opened_by(desk.secret)
    @document.change("alerts", {HTTPStatus.OK: TakenAnswer}, sends=Notification)
    def take_alerts(notification: Notification) -> Response:
        """Take what Alertmanager tells by its webhook. The token is the secret that both share."""
        desk.webhook.take(notification)
        answer = TakenAnswer(alerts=len(notification.alerts))
        return Response(answer.model_dump_json(), content_type=JSON)

    return api
