"""The Flask application, made of the parts that are passed in."""

from flask import Flask, Response

from controller import __version__, account, api, health, hosts, pages, problems, sign_in
from controller.alerts import api as alerts_api
from controller.installation import api as installation_api
from controller.openapi import Document
from controller.orders import api as orders_api
from controller.parts import Parts

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


def create_app(parts: Parts) -> Flask:
    """Return the controller's application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals["version"] = __version__
    app.jinja_env.globals["grafana"] = parts.grafana
    access, document = parts.access, Document()
    app.register_blueprint(api.blueprint(document, parts.state, parts.master, access.audit))
    app.register_blueprint(orders_api.blueprint(document, parts.orders, access))
    app.register_blueprint(installation_api.blueprint(document, parts.installation))
    app.register_blueprint(alerts_api.blueprint(document, parts.alerts))
    pages.register(
        app,
        pages.Sources(
            parts.fresh_state or parts.state,
            parts.master,
            parts.records,
            parts.orders,
            parts.installation,
            parts.alerts.alerts.now,
            access,
        ),
    )
    app.register_blueprint(health.blueprint(parts.registry))
    app.register_blueprint(sign_in.blueprint(access))
    app.register_blueprint(account.blueprint(access))
    problems.register(app)
    hosts.register(app, parts.names)
    access.register(app)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return app
