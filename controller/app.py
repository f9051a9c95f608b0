"""The Flask application, made of the parts that are passed in."""

from collections.abc import Callable, Collection

from flask import Flask, Response
from prometheus_client import CollectorRegistry

from controller import __version__, account, api, health, hosts, pages, problems, sign_in
from controller.access import Access
from controller.alerts import api as alerts_api
from controller.alerts.desk import AlertDesk
from controller.grafana import Grafana
from controller.installation import api as installation_api
from controller.installation.installation import Installation
from controller.openapi import Document
from controller.orders import api as orders_api
from controller.orders.orders import Orders
from controller.records import Records
from controller.schemas import MasterAnswer
from controller.state import RackState

_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",  # the little pictures inside Bootstrap's style sheet
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
_LONGEST_BODY = 64 * 1024
_NO_GRAFANA = Grafana()


def create_app(  # noqa: PLR0913 - it is where all parts meet
    state: Callable[[], RackState],
    master: Callable[[], MasterAnswer],
    registry: CollectorRegistry,
    access: Access,
    orders: Orders,
    installation: Installation,
    alerts: AlertDesk,
    records: Records,
    *,
    names: Collection[str] = ("localhost",),
    grafana: Grafana = _NO_GRAFANA,
    fresh_state: Callable[[], RackState] | None = None,
) -> Flask:
    """Return the controller's application.

    Args:
        state: returns the rack's state, whenever somebody wants it.
        master: returns how the master is, likewise.
        registry: the metrics of the controller itself.
        access: knows who may do what.
        orders: takes what is ordered.
        installation: installs the rack.
        alerts: knows what fires, and takes what Alertmanager tells.
        records: what Prometheus knows of one rasp or stack.
        names: the host names, in lower case, by which the application answers.
        grafana: where the pages' links to dashboards lead.
        fresh_state: as `state`, and fresher, for the pages, which show changes as they come.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals["version"] = __version__
    app.jinja_env.globals["grafana"] = grafana
    document = Document()
    app.register_blueprint(api.blueprint(document, state, master, access.audit))
    app.register_blueprint(orders_api.blueprint(document, orders, access))
    app.register_blueprint(installation_api.blueprint(document, installation))
    app.register_blueprint(alerts_api.blueprint(document, alerts))
    pages.register(
        app,
        pages.Sources(
            fresh_state or state,
            master,
            records,
            orders,
            installation,
            alerts.alerts.now,
            access,
        ),
    )
    app.register_blueprint(health.blueprint(registry))
    app.register_blueprint(sign_in.blueprint(access))
    app.register_blueprint(account.blueprint(access))
    problems.register(app)
    hosts.register(app, names)
    access.register(app)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return app
